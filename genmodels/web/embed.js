// Demos in articles: <div class="genmodels" data-section="vae.map">. The README says more.
(() => {
  const host = new URL('.', (document.currentScript || document.querySelector('script[src*="/embed.js"]')).src).href;
  const make = (tag, properties) => Object.assign(document.createElement(tag), properties);

  // A picture and what the author wrote, until the demo answers
  function prepare(box) {
    const cover = make('div', { style: 'padding:20px;line-height:2;text-align:center' });
    const note = make('p', { style: 'margin:0' });
    note.setAttribute('role', 'status');
    cover.append(...box.childNodes, note);
    if (!cover.querySelector('img')) {
      const src = `${host}poster/${box.dataset.section}`;
      const style = 'display:block;width:100%;max-width:540px;margin:0 auto;image-rendering:pixelated';
      cover.prepend(make('img', { src, style, alt: '', onerror: (event) => event.target.remove() }));
    }
    box.dataset.ready = '';
    box.style.cssText = `position:relative;overflow:hidden;border:1px solid #8885;border-radius:10px;${box.style.cssText}`;
    box.append(cover);
    if (box.dataset.load !== 'click') return near.observe(box);
    note.append(make('button', { textContent: 'Start the demo', onclick: () => start(box) }));
  }

  function start(box) {
    const note = box.firstChild.lastChild;
    const { section, state, theme, title } = box.dataset;
    const src = `${host}?only=${section}&theme=${theme || 'auto'}&${state || ''}`;
    const style = 'position:absolute;top:0;left:0;width:100%;height:100%;border:0;opacity:0;pointer-events:none';
    note.textContent = 'Loading …';
    box.append(make('iframe', { src, style, title: title || section, allow: 'clipboard-write', scrolling: 'no' }));
    setTimeout(() => {
      note.textContent = 'This demo doesn’t answer. ';
      note.append(make('a', { href: src, target: '_blank', textContent: 'Open it by itself' }));
    }, 15000);
  }

  const near = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        near.unobserve(target);
        start(target);
      }
    },
    { rootMargin: '300px' },
  );

  // A demo says how high it is
  addEventListener('message', ({ source, origin, data }) => {
    for (const frame of document.querySelectorAll('.genmodels > iframe')) {
      if (frame.contentWindow !== source || new URL(frame.src).origin !== origin || !(data && data.genmodels > 0)) continue;
      frame.style = `display:block;width:100%;border:0;height:${+data.genmodels}px`;
      if (frame.previousSibling) frame.previousSibling.remove();
    }
  });

  function look() {
    if (document.readyState === 'loading') return; // a box may be half there
    document.querySelectorAll('.genmodels[data-section]:not([data-ready])').forEach(prepare);
  }
  document.addEventListener('readystatechange', look);
  new MutationObserver(look).observe(document, { childList: true, subtree: true });
  look();
})();
