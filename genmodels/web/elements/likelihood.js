// How likely a picture is, and beside it the pictures of other kinds, which are measured once per model.
import { Section } from './section.js';

const KINDS = 12; // about as many as there are: the room that they will take

class Likelihood extends Section {
  layOutViews() {
    super.layOutViews();
    const shape = this.page.facts[this.model]?.shape;
    this.gallery = document.createElement('gm-gallery');
    this.gallery.options = {
      title: 'Pictures of other kinds, the most likely first, in bits/dim',
      columns: 6,
      count: KINDS,
      lines: 2,
      take: true,
      shape,
    };
    this.lesson = document.createElement('gm-words');
    this.main.append(this.gallery, this.lesson);
  }

  async wake() {
    await super.wake();
    await this.compare();
  }

  pageChanged(what) {
    super.pageChanged(what);
    if (what === 'data' && this.awake) this.compare();
  }

  async refresh() {
    await super.refresh();
    await this.compare();
  }

  async compare() {
    const asked = this.model;
    const answer = await this.page.backend.ask(`${this.spec.key.split('.')[0]}.kinds`, { model: asked });
    if (asked !== this.model) return;
    if (answer.error) return (this.trouble.textContent = answer.error);
    this.gallery.show(answer.gallery);
    this.lesson.show(answer.words);
  }
}

customElements.define('gm-likelihood', Likelihood);
