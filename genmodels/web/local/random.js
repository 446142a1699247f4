// The numbers that torch draws on a CPU, so that a seed gives the same noise here: its Mersenne Twister (MT19937, Matsumoto &
// Nishimura 1998), and how uniform and normal numbers are made of its 32 bits (aten/src/ATen/core/DistributionsHelper.h and
// native/cpu/DistributionTemplates.h of PyTorch).

const [N, M] = [624, 397];
const BLOCK = 16; // normal numbers are made in blocks of so many: 8 radii, 8 angles

/** torch.Generator().manual_seed(seed) */
export class Generator {
  constructor(seed) {
    this.state = new Uint32Array(N);
    this.state[0] = Number(BigInt.asUintN(32, BigInt(seed)));
    for (let i = 1; i < N; i++) {
      const last = this.state[i - 1];
      this.state[i] = Math.imul(1812433253, last ^ (last >>> 30)) + i;
    }
    this.at = N;
    this.kept = null; // of two normal numbers that are made together, the second
  }

  /** 32 bits, as an unsigned number. */
  bits() {
    if (this.at === N) this.twist();
    let y = this.state[this.at++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  twist() {
    const { state } = this;
    for (let i = 0; i < N; i++) {
      const y = (state[i] & 0x80000000) | (state[(i + 1) % N] & 0x7fffffff);
      state[i] = state[(i + M) % N] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.at = 0;
  }

  float() {
    return (this.bits() & 0xffffff) / 2 ** 24;
  }

  double() {
    const high = this.bits() & 0x1fffff;
    return (high * 2 ** 32 + this.bits()) / 2 ** 53;
  }

  /** torch.rand(count), of float32. @returns {Float32Array} */
  rand(count) {
    return Float32Array.from({ length: count }, () => this.float());
  }

  /** torch.rand(count, dtype=torch.float64). @returns {Float64Array} */
  randDouble(count) {
    return Float64Array.from({ length: count }, () => this.double());
  }

  /** torch.randint(high, (count,)) for high below 2^32. */
  randint(high, count) {
    return Array.from({ length: count }, () => this.bits() % high);
  }

  /** torch.randn(count), of float32. @returns {Float32Array} */
  randn(count) {
    if (count < BLOCK) return Float32Array.from({ length: count }, () => this.normal());
    const out = this.rand(count);
    for (let i = 0; i + BLOCK <= count; i += BLOCK) toNormal(out.subarray(i, i + BLOCK));
    if (count % BLOCK) {
      const last = out.subarray(count - BLOCK); // drawn anew, over some that are there already
      last.set(this.rand(BLOCK));
      toNormal(last);
    }
    return out;
  }

  /** Of a few numbers each is made of doubles, two at a time. */
  normal() {
    if (this.kept !== null) {
      const value = this.kept;
      this.kept = null;
      return value;
    }
    const angle = 2 * Math.PI * this.double();
    const radius = Math.sqrt(-2 * Math.log1p(-this.double()));
    this.kept = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }
}

/** Uniform numbers become normal ones in place, by Box and Muller. @param {Float32Array} block of 16 */
function toNormal(block) {
  for (let i = 0; i < BLOCK / 2; i++) {
    const radius = Math.sqrt(-2 * Math.log(1 - block[i]));
    const angle = 2 * Math.PI * block[i + BLOCK / 2];
    block[i] = radius * Math.cos(angle);
    block[i + BLOCK / 2] = radius * Math.sin(angle);
  }
}
