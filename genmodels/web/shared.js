// What several pieces use; `web.script` puts it before a piece's own script.
// Pictures arrive as {pixels, shape}: base64 of uint8 in height, width, channel order, and [channels, height, width].
function bytesOf(text) {
  return Uint8Array.from(atob(text || ''), (c) => c.charCodeAt(0));
}
function textOf(bytes) {
  let raw = '';
  for (let i = 0; i < bytes.length; i += 4096) raw += String.fromCharCode(...bytes.subarray(i, i + 4096));
  return btoa(raw);
}
function asImage(bytes, shape) {
  const [c, h, w] = shape, image = new ImageData(w, h);
  for (let i = 0; i < w * h; i++) {
    for (let k = 0; k < 3; k++) image.data[i * 4 + k] = bytes[i * c + (c === 3 ? k : 0)];
    image.data[i * 4 + 3] = 255;
  }
  return image;
}
// Makes the canvas as large as the picture: setting even the same size would empty it, and cost a flicker.
function fit(canvas, width, height) {
  if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
}
function showPicture(canvas, picture) {
  fit(canvas, picture.shape[2], picture.shape[1]);
  canvas.getContext('2d').putImageData(asImage(bytesOf(picture.pixels), picture.shape), 0, 0);
}

// Runs are numbered upwards, from one server to the next: whether one that arrives is older than the one on show.
const overtaken = (arrived, shown) => shown && arrived.run < shown.run;

// `then(true)` is called once an event that fills this piece has waited a moment for its first answer, `then(false)` when
// the wait is over. Gradio tells this only to its own status tracker beside the piece, where it then writes the time.
function onWait(then) {
  const tracker = element.closest('.block').querySelector('[data-testid=status-tracker]');
  let timer = null, told = false;
  const tell = (waits) => { timer = null; if (waits !== told) then(told = waits); };
  new MutationObserver(() => {
    if (tracker.querySelector('.progress-text')) timer = timer || setTimeout(tell, 200, true);
    else { clearTimeout(timer); tell(false); }
  }).observe(tracker, { childList: true, subtree: true });
}

// For a pointer that asks the server: one request is in flight, and of those that wait the latest wins.
// `ask(question)` answers {error} or what `show(answer, question)` takes; `complain(text)` shows a failure.
function latestOnly(ask, show, complain) {
  let wanted = null, busy = false;
  return async (question) => {
    wanted = question;
    if (busy) return;
    busy = true;
    while (wanted) {
      const asked = wanted;
      wanted = null;
      try {
        const answer = await ask(asked);
        if (answer.error) complain(answer.error); else show(answer, asked);
      } catch {
        complain('The server did not answer; move again to retry.');
      }
    }
    busy = false;
  };
}

// Bits as colours, from certain (dark) to unsure (light); the same ramp as `.gm-heat-bar`.
const HEAT = [[15, 23, 42], [17, 94, 89], [45, 212, 191], [255, 251, 235]];
function heat(bits, most) {
  const t = Math.max(0, Math.min(1, bits / most)) * (HEAT.length - 1), i = Math.min(HEAT.length - 2, Math.floor(t));
  return HEAT[i].map((v, k) => Math.round(v + (t - i) * (HEAT[i + 1][k] - v)));
}

// ---- download: a canvas as PNG, each point `scale` pixels wide, with text chunks that say how it was made ------------
function crc(bytes) {
  let c = -1;
  for (const b of bytes) { c ^= b; for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1; }
  return (c ^ -1) >>> 0;
}
function chunk(key, text) { // as iTXt, which is UTF-8: not compressed, of no language
  const body = new TextEncoder().encode(`iTXt${key}\0\0\0\0\0${text}`), out = new Uint8Array(body.length + 8), d = new DataView(out.buffer);
  d.setUint32(0, body.length - 4); out.set(body, 4); d.setUint32(body.length + 4, crc(body));
  return out;
}
function download(canvas, scale, info, name) {
  const big = document.createElement('canvas'), b = big.getContext('2d');
  big.width = canvas.width * scale; big.height = canvas.height * scale;
  b.imageSmoothingEnabled = false;
  b.drawImage(canvas, 0, 0, big.width, big.height);
  big.toBlob(async (blob) => {
    const bytes = new Uint8Array(await blob.arrayBuffer()), head = 33; // signature and IHDR come first
    const parts = [bytes.subarray(0, head), ...Object.entries(info).map(([key, text]) => chunk(key, String(text))), bytes.subarray(head)];
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob(parts, { type: 'image/png' }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }, 'image/png');
}

// `then` runs when one of the properties changes. They are not quoted one by one, as in ' value map ': gr.HTML would take
// a quoted name for that of an event.
const changed = (names, then) => watch(names.trim().split(' '), then);
