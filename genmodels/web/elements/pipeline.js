// A section whose pictures are stages of one way: views with the option `stage` stand in a row, an arrow between them.
import { make } from './controls.js';
import { Section } from './section.js';

export class Pipeline extends Section {
  layOutViews() {
    super.layOutViews();
    const stages = this.views.filter((view) => view.options.stage);
    this.main.prepend(make('div', { class: 'gm-pipeline' }, ...stages));
  }
}

customElements.define('gm-pipeline', Pipeline);
