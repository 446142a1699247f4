// A section whose pictures belong side by side: views with the option `stage` stand in a row over the whole width, before
// each what its option `sign` says.
import { make } from './controls.js';
import { Section } from './section.js';

class Pipeline extends Section {
  layOutViews() {
    super.layOutViews();
    this.classList.add('gm-wide');
    const stages = this.views.filter((view) => view.options.stage);
    for (const view of stages) if (view.options.sign) view.dataset.sign = view.options.sign;
    this.main.prepend(make('div', { class: 'gm-pipeline' }, ...stages));
  }
}

customElements.define('gm-pipeline', Pipeline);
