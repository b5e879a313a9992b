// Shared by the labellers of joints and of clips, whose scripts follow this one.

const SILENCE = "The kernel is not responding. It may be busy; if it was restarted, run the cell again.";
const PATIENCE = 5000; // ms until a kernel that does not respond is mentioned
const KEY_NAMES = {
  ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", PageUp: "Page ↑", PageDown: "Page ↓",
  " ": "Space", Delete: "Del", Escape: "Esc",
}; // prettier-ignore
const SIZES = { dot: 4.5, line: 2.5 }; // CSS px

/** A new element; properties that the element lacks become attributes. */
function element(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in node) node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

/** Questions to the kernel, each with a promise of its answer. */
class Kernel {
  constructor(model, onSilence) {
    Object.assign(this, { model, onSilence, count: 0, waiting: new Map() });
    this.view = Math.random().toString(36).slice(2); // other views of the widget get our answers, too
    this.receive = (message) => this.settle(message);
    model.on("msg:custom", this.receive);
  }

  ask(kind, content = {}) {
    const id = `${this.view} ${++this.count}`;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      const send = () => this.model.send({ ...content, ask: kind, id });
      setTimeout(() => {
        if (!this.waiting.has(id)) return;
        this.onSilence();
        if (kind === "start") send(); // a kernel that was just starting may have missed it
      }, PATIENCE);
      send();
    });
  }

  settle(message) {
    const promise = this.waiting.get(message.id);
    this.waiting.delete(message.id);
    if (promise && message.error) promise.reject(new Error(message.error[0].toUpperCase() + message.error.slice(1)));
    else if (promise) promise.resolve(message);
  }

  close() {
    this.model.off("msg:custom", this.receive);
  }
}

/** A key with its modifiers: "z", "Ctrl+z", "Shift+ArrowLeft". */
function keyName(event) {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const shift = event.shiftKey && (event.key.length > 1 || key !== event.key || event.ctrlKey || event.metaKey);
  return `${event.ctrlKey || event.metaKey ? "Ctrl+" : ""}${shift ? "Shift+" : ""}${key}`;
}

/**
 * Runs commands by key, and keeps all keys from the notebook.
 * commands: {keys: names as `keyName` gives them, run: a function}.
 */
function listenToKeys(root, commands) {
  const byKey = new Map(commands().flatMap((command) => command.keys.map((key) => [key, command])));
  root.addEventListener("keydown", (event) => {
    event.stopPropagation();
    const typing = ["INPUT", "SELECT"].includes(event.target.tagName);
    const onButton = event.target.tagName === "BUTTON" && [" ", "Enter"].includes(event.key);
    const command = byKey.get(keyName(event));
    if (typing || onButton || !command) return;
    event.preventDefault();
    command.run();
  });
}

/** The root of a labeller: it takes the focus when it is pressed, and JupyterLab leaves its keys alone. */
function rootElement(label) {
  const root = element("div", { className: "pose-labeller", tabIndex: 0, role: "application", "aria-label": label });
  root.setAttribute("data-lm-suppress-shortcuts", "true");
  root.addEventListener("pointerdown", (event) => {
    if (!event.target.closest("input, select, button, summary")) setTimeout(() => root.focus({ preventScroll: true }));
  });
  root.addEventListener("click", (event) => {
    if (event.detail && event.target.closest("button")) root.focus({ preventScroll: true }); // Enter is not this button
  });
  return root;
}

/** A button for each command that has a text for one. */
function commandButtons(commands) {
  return commands
    .filter((command) => command.button)
    .map(({ button, label, keys, run }) =>
      element("button", { type: "button", textContent: button, title: `${label} (${keys.map(keyLabel)[0]})`, onclick: run }),
    );
}

/** The explanation of the keys. */
function legend(commands) {
  const rows = commands
    .filter((command) => command.label)
    .map(({ keys, shown, label }) =>
      element("div", {}, ...(shown || keys.slice(0, 1)).map((key) => element("kbd", {}, keyLabel(key))), ` ${label}`),
    );
  return element("details", { open: true, className: "legend" }, element("summary", {}, "Keys"), ...rows);
}

function keyLabel(key) {
  const parts = key === "+" ? [key] : key.split("+");
  return parts.map((part) => KEY_NAMES[part] || (part.length === 1 ? part.toUpperCase() : part)).join(" ");
}

/** The picture of an answer: {image, left, top, right, bottom, width, height, resolution: its px per image px}. */
async function decoded(answer) {
  const image = new Image();
  image.src = `data:image/jpeg;base64,${answer.data}`;
  await image.decode();
  const { left, top, right, bottom, width, height } = answer;
  return { image, left, top, right, bottom, width, height, resolution: image.naturalWidth / (right - left) };
}

/** A canvas as sharp as the screen, which draws itself anew when it is asked to, or when its size changes. */
class Stage {
  constructor(label, draw) {
    this.canvas = element("canvas", { role: "img", "aria-label": label });
    this.node = element("div", { className: "stage" }, this.canvas);
    this.draw = draw;
    this.context = this.canvas.getContext("2d");
    this.observer = new ResizeObserver(() => this.redraw());
    this.observer.observe(this.node);
  }

  get size() {
    return [this.node.clientWidth, this.node.clientHeight];
  }

  /** In CSS px, of an event, from the canvas's corner, which the browser draws at a whole pixel of the screen. */
  place(event) {
    const box = this.canvas.getBoundingClientRect();
    const snapped = (value) => Math.round(value * devicePixelRatio) / devicePixelRatio;
    return [event.clientX - snapped(box.left), event.clientY - snapped(box.top)];
  }

  redraw() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = null;
      const [width, height] = this.size;
      if (!width) return;
      const pixels = [width, height].map((side) => Math.round(side * devicePixelRatio));
      if (this.canvas.width !== pixels[0]) this.canvas.width = pixels[0];
      if (this.canvas.height !== pixels[1]) this.canvas.height = pixels[1];
      [this.canvas.style.width, this.canvas.style.height] = pixels.map((side) => `${side / devicePixelRatio}px`); // unstretched
      this.context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
      this.context.clearRect(0, 0, width, height);
      this.draw(this.context, width, height);
    });
  }

  close() {
    this.observer.disconnect();
    cancelAnimationFrame(this.frame);
  }
}

// A view maps image px (integers are pixel centres) to CSS px: x ↦ (x + 0.5) · scale + left, y alike.

/** The view that shows all of a picture in the middle. */
function fittingView(picture, width, height) {
  const scale = Math.min(width / picture.width, height / picture.height);
  return { scale, left: (width - picture.width * scale) / 2, top: (height - picture.height * scale) / 2 };
}

function toScreen(view, [x, y]) {
  return [(x + 0.5) * view.scale + view.left, (y + 0.5) * view.scale + view.top];
}

function toImage(view, [x, y]) {
  return [(x - view.left) / view.scale - 0.5, (y - view.top) / view.scale - 0.5];
}

function drawPicture(context, view, picture) {
  const [left, top] = toScreen(view, [picture.left - 0.5, picture.top - 0.5]);
  const width = (picture.right - picture.left) * view.scale;
  const height = (picture.bottom - picture.top) * view.scale;
  context.imageSmoothingEnabled = view.scale < 6; // from there on, pixels are shown as squares
  context.imageSmoothingQuality = "high";
  context.drawImage(picture.image, left, top, width, height);
}

/** Lines and dots of a person; landmarks: [x, y] image px or null. options: {opacity, dots, warned: limbs in red}. */
function drawSkeleton(context, view, skeleton, landmarks, { opacity = 1, dots = true, warned = new Set() } = {}) {
  const places = landmarks.map((place) => place && toScreen(view, place));
  context.save();
  context.globalAlpha = opacity;
  context.lineCap = "round";
  skeleton.limbs.forEach(([from, to], limb) => {
    if (!places[from] || !places[to]) return;
    stroke(context, [places[from], places[to]], "rgba(0, 0, 0, 0.55)", SIZES.line + 2);
    stroke(context, [places[from], places[to]], warned.has(limb) ? "#ff3b3b" : skeleton.colors[to], SIZES.line);
  });
  if (dots) places.forEach((place, joint) => place && drawDot(context, place, skeleton.colors[joint]));
  context.restore();
}

function stroke(context, places, color, width) {
  context.beginPath();
  places.forEach(([x, y]) => context.lineTo(x, y));
  context.strokeStyle = color;
  context.lineWidth = width;
  context.stroke();
}

function drawDot(context, [x, y], color, { hollow = false, radius = SIZES.dot } = {}) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.lineWidth = hollow ? 2.5 : 1.5;
  context.strokeStyle = hollow ? color : "rgba(0, 0, 0, 0.7)";
  context.fillStyle = hollow ? "rgba(0, 0, 0, 0.45)" : color;
  context.fill();
  context.stroke();
}
