// Buttons in a box of which Tab comes to one, and the arrow keys go on from there as they lie on the screen.

const STEPS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** @param {HTMLElement} box @param {string} selector of the buttons, which may come and go */
export function roving(box, selector = 'button') {
  const all = () => [...box.querySelectorAll(selector)];
  box.addEventListener('keydown', (event) => {
    const step = STEPS[event.key];
    const buttons = all();
    if ((!step && event.key !== 'Home' && event.key !== 'End') || !buttons.includes(document.activeElement)) return;
    event.preventDefault();
    const next = step ? nearest(document.activeElement, buttons, step) : event.key === 'Home' ? buttons[0] : buttons.at(-1);
    if (!next) return;
    stop(buttons, next);
    next.focus();
  });
  box.addEventListener('focusin', (event) => all().includes(event.target) && stop(all(), event.target));
  return { settle: () => stop(all(), all()[0]) };
}

function stop(buttons, current) {
  for (const button of buttons) button.tabIndex = button === current ? 0 : -1;
}

/** The button that lies next to another one in a direction. */
function nearest(from, buttons, [right, down]) {
  const middle = (button) => {
    const { left, top, width, height } = button.getBoundingClientRect();
    return { x: left + width / 2, y: top + height / 2, width, height };
  };
  const at = middle(from);
  const far = (button) => {
    const { x, y } = middle(button);
    const [along, aside] = right ? [(x - at.x) * right, Math.abs(y - at.y)] : [(y - at.y) * down, Math.abs(x - at.x)];
    return along > 1 && aside < (right ? at.height : at.width) / 2 ? along : Infinity;
  };
  const next = buttons.reduce((best, button) => (far(button) < far(best) ? button : best), from);
  return next === from ? null : next;
}
