"""The thin layer between the app and the models: plain values in (name, n, seed, knobs), pictures and tables out.

Everything that a visitor sends passes through here, so everything is checked here: a ValueError is one sentence that
says what was wrong and what is allowed. Pictures come back enlarged pixel by pixel, with their settings in `.info`
(written into the PNG as text). One lock keeps two visitors from computing at once, each with all threads: the second
waits some milliseconds instead of slowing both down many times over.

The modules have the field's names: `latents` for what encodes and decodes, `sampling` for what samples, `discriminator` for what
judges, `autoregressive` (sample, outpaint, what it expects), `diffusion` (img2img, inpaint), and so on. There is no facade: import them.
"""
