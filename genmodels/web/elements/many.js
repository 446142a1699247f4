// A visitor's own pictures, many at once: read one after the other, as the models of a data set see them.
import { make } from './controls.js';
import { showPicture } from './picture.js';
import { upload } from './upload.js';

/** Lets the visitor choose files, and tells the section their pictures. @param {object} view the gm-many */
export function choose(view) {
  const { options, section } = view;
  const input = make('input', { type: 'file', accept: 'image/*', multiple: true });
  input.addEventListener('change', async () => {
    const most = section.spec.fields[options.key].most;
    if (input.files.length > most) return view.refuse(`At most ${most} pictures are taken; these are ${input.files.length}.`);
    view.refuse('');
    const { model } = section;
    const read = [];
    const said = [];
    for (const file of input.files) {
      view.note.textContent = `Reading ${read.length + said.length + 1} of ${input.files.length} …`;
      const answer = await upload(section.page.backend, 'page.upload', model, file);
      if (answer.error) said.push(`${file.name}: ${answer.error}`);
      else read.push(answer);
    }
    // stands beside the answer for the others, which clears what was refused
    view.note.textContent = said.length > 1 ? `${said[0]} And ${said.length - 1} more can't be read.` : (said[0] ?? '');
    if (read.length < 2) return view.refuse('Choose two pictures or more: one alone is no outsider.');
    strip(view, read);
    view.back.hidden = false;
    section.change(
      options.key,
      read.map(({ pixels }) => pixels),
    );
  });
  input.click();
}

/** The chosen pictures, small. */
function strip(view, pictures) {
  view.list.replaceChildren(
    ...pictures.map((picture) => {
      const canvas = make('canvas');
      showPicture(canvas, picture);
      return make('span', { class: 'gm-thumb' }, canvas);
    }),
  );
}
