// The elements of all sections.
import './overview.js';
import './see.js';
import './map.js';
import './second.js';
// autoencoder and gan
import './pipeline.js';
import './board.js';
import './crossed.js';
import './films.js';
// flow and pixelcnn
import './expected.js';
import './likelihood.js';
import './writer.js';
import './three.js';
// diffusion
import './denoiser.js';
import './noise.js';
import './sketch.js';
import './solver-grid.js';
import './steps.js';
import './hub.js';
// all families
import './table.js';
import './plot.js';
import './compare.js';
