"""The thin layer between the app and the models: a section's state in, its answer (pixels, numbers, words) out, both JSON.

Everything that a visitor sends passes through here, so everything is checked here (`state`): a ValueError is one sentence that
says what was wrong and what is allowed. One lock keeps two visitors from computing at once, each with all threads: the second
waits some milliseconds instead of slowing both down many times over.

The modules have the field's names: `latents` for what encodes and decodes, `sampling` for what samples, `discriminator` for what
judges, `autoregressive` (write, finish, what it expects), `diffusion` (denoise, fill in), and so on. There is no facade: import them.
"""
