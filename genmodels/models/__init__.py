"""One file per family of generative models; each reads top to bottom: idea, blocks, config, model, recipe."""
