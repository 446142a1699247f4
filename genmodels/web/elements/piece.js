// What the larger elements stand on: a template, and properties that they watch.
//
//     class Film extends Piece { static template = (props) => `…`; mount({ element, props, changed, trigger }) { … } }

export class Piece extends HTMLElement {
  #values = {};
  #watchers = [];
  /** Setting a property tells those who watch it, once the element is in the page. */
  props = new Proxy(this.#values, {
    set: (values, key, value) => {
      values[key] = value;
      for (const [keys, then] of this.#watchers) if (keys.includes(key)) then();
      return true;
    },
  });

  connectedCallback() {
    if (this.mounted) return;
    this.mounted = true;
    this.innerHTML = this.constructor.template(this.#values);
    this.mount({
      element: this,
      props: this.props,
      changed: (names, then) => this.#watchers.push([names.trim().split(' '), then]),
      trigger: (name, detail) => this.dispatchEvent(new CustomEvent(`gm-${name}`, { bubbles: true, detail })),
    });
  }

  mount() {}
}

/** Bits as colours, from certain (dark) to unsure (light); the same ramp as `.gm-heat-bar`. */
const HEAT = [
  [15, 23, 42],
  [17, 94, 89],
  [45, 212, 191],
  [255, 251, 235],
];
export function heat(bits, most) {
  const t = Math.max(0, Math.min(1, bits / most)) * (HEAT.length - 1);
  const i = Math.min(HEAT.length - 2, Math.floor(t));
  return HEAT[i].map((v, k) => Math.round(v + (t - i) * (HEAT[i + 1][k] - v)));
}
