// The labeller of joints. The kernel has the labels; the browser those of the picture at hand, and its history.

const NEAR = { mouse: 10, touch: 22, pen: 14 }; // CSS px around a joint in which it is taken
const LENS = { radius: 75, zoom: 4 };
const AHEAD = 2; // pictures fetched before they are looked at
const KEPT = 12; // pictures kept
const MARKS = { confirmed: "✓", predicted: "·", guessed: "≈", hidden: "–" };

class JointLabeller {
  constructor(model, el) {
    this.kernel = new Kernel(model, () => this.say(SILENCE, "bad"));
    Object.assign(this, { keys: [], states: "", histories: new Map(), pictures: new Map(), unsaved: new Map() });
    Object.assign(this, { pointers: new Map(), joint: 0, saving: Promise.resolve(), listeners: new AbortController() });
    this.build(el);
    this.listen();
    this.start();
  }

  close() {
    this.save();
    this.listeners.abort();
    this.kernel.close();
    for (const stage of [this.stage, this.strip, this.figure]) stage.close();
  }

  // What there is to see

  build(el) {
    this.root = rootElement("Labeller of joints");
    this.stage = new Stage("the picture", (...args) => this.draw(...args));
    this.strip = new Stage("the whole set", (...args) => this.drawStrip(...args));
    this.strip.node.classList.add("strip");
    this.figure = new Stage("where the joint is on a person who faces you", (...args) => this.drawFigure(...args));
    this.figure.node.classList.add("figure");
    this.title = element("strong");
    this.counts = element("span", { className: "counts" });
    this.saved = element("span", { className: "saved", textContent: "" });
    this.next = element("div", { className: "next" });
    this.warning = element("div", { className: "warning", role: "alert" });
    this.note = element("div", { className: "note", role: "status", "aria-live": "polite" });
    this.joints = element("div", { className: "joints", role: "group", "aria-label": "Joints" });
    const commands = this.commands();
    const side = element("div", { className: "side" }, this.figure.node, this.warning, this.joints);
    this.root.append(
      element("div", { className: "head" }, this.title, this.counts, this.saved),
      this.strip.node,
      element("div", { className: "bar" }, ...commandButtons(commands)),
      this.note,
      element("div", { className: "body" }, this.next, this.stage.node, side, legend(commands)),
    );
    el.append(this.root);
  }

  /** Everything that can be done: keys, the text of a button, and what the legend says. */
  commands() {
    const command = (keys, run, label, button, shown) => ({ keys, run, label, button, shown });
    return [
      command(["Enter"], () => this.confirm(), "confirm, and go on", "✓ Confirm, next"),
      command(["PageUp"], () => this.step(-1), "previous picture", "‹ Previous"),
      command(["PageDown"], () => this.step(1), "next picture, nothing confirmed", "Next ›"),
      command(["l"], () => this.openLeastSure(), "the least sure picture", "Least sure"),
      command(["z", "Ctrl+z"], () => this.undo("past", "future"), "undo", "↶ Undo"),
      command(["y", "Ctrl+y", "Shift+z", "Ctrl+Shift+z"], () => this.undo("future", "past"), "redo", "↷ Redo"),
      command(["g"], () => this.guess(), "guessed: placed, but covered", "≈ Guessed"),
      command(["h"], () => this.hide(), "not visible: cannot be placed", "– Not visible"),
      command(["Delete", "Backspace"], () => this.takeOff([this.joint]), "remove the joint"),
      command(["Shift+Delete"], () => this.takeOff(this.skeleton.names.map((_, k) => k)), "remove all joints"),
      command(["n"], () => this.select(this.joint + 1), "next joint", "", ["n", "b"]),
      command(["b"], () => this.select(this.joint - 1)),
      ...this.arrows(),
      command(["x"], () => this.swap(), "swap left and right", "⇄ Left, right"),
      command(["c"], () => this.copyPrevious(), "copy the pose of the image before", "Copy previous"),
      command(["p"], () => this.addPerson(), "one more person in this picture", "+ Person"),
      command(["+", "="], () => this.zoomHere(1.5), "zoom; the wheel, too", "+", ["+", "-"]),
      command(["-"], () => this.zoomHere(1 / 1.5), "", "−"),
      command(["0"], () => this.fit(), "the whole picture", "Fit"),
      command(["Ctrl+s"], () => this.save(), "save now; leaving a picture does, too"),
    ];
  }

  arrows() {
    const directions = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const steps = { "": 0.1, "Shift+": 1, "Ctrl+": 10 };
    const moves = Object.entries(directions).flatMap(([key, [x, y]]) =>
      Object.entries(steps).map(([modifier, step]) => ({ keys: [modifier + key], run: () => this.move(x * step, y * step) })),
    );
    moves[0].label = "move the joint by 0.1 px; 1 with Shift, 10 with Ctrl";
    moves[0].shown = Object.keys(directions);
    const pans = { a: [60, 0], d: [-60, 0], w: [0, 60], s: [0, -60] };
    const panning = Object.entries(pans).map(([key, by]) => ({ keys: [key], run: () => this.pan(...by) }));
    panning[0].label = "pan; or drag beside the joints";
    panning[0].shown = ["w", "a", "s", "d"];
    return [...moves, ...panning];
  }

  say(text, kind = "") {
    this.note.textContent = text;
    this.note.className = `note ${kind}`;
  }

  refresh() {
    const place = this.keys.indexOf(this.key) + 1;
    const count = (letter) => [...this.states].filter((state) => state === letter).length;
    this.title.textContent = `${this.key}`;
    this.counts.textContent = `${place} of ${this.keys.length} · ${count("d")} done, ${count("u")} unsure, ${count("t")} to do`;
    this.strip.canvas.setAttribute("aria-label", this.counts.textContent);
    if (this.labels) this.refreshJoints();
    for (const stage of [this.stage, this.strip, this.figure]) stage.redraw();
  }

  refreshJoints() {
    const name = this.skeleton.names[this.joint].replace(/_/g, " ");
    const status = this.statusText(this.joint);
    this.next.replaceChildren(element("span", {}, this.isOpen(this.joint) ? "Click on the" : "Selected:"), element("b", {}, name));
    this.next.style.setProperty("--side", this.skeleton.colors[this.joint]);
    this.stage.canvas.setAttribute("aria-label", `the picture ${this.key}; ${name}: ${status}`);
    this.crossed = crossings(this.skeleton, this.labels.landmarks);
    this.warning.textContent = this.crossed.names.length ? `⚠ Left and right ${this.crossed.names.join(", ")} cross: is that so? X swaps all.` : "";
    this.skeleton.names.forEach((joint, k) => {
      const button = this.joints.children[k];
      button.setAttribute("aria-pressed", k === this.joint);
      button.setAttribute("aria-label", `${joint.replace(/_/g, " ")}: ${this.statusText(k)}`);
      button.lastChild.textContent = this.mark(k);
    });
  }

  mark(joint) {
    if (this.isOpen(joint)) return "";
    const isEmpty = this.labels.status[joint] === "confirmed" && !this.labels.landmarks[joint];
    return isEmpty ? MARKS.hidden : MARKS[this.labels.status[joint]];
  }

  statusText(joint) {
    const place = this.labels.landmarks[joint];
    const sure = this.labels.confidence[joint];
    if (this.isOpen(joint)) return "not placed yet";
    const numbers = place ? ` at ${place.map((value) => value.toFixed(1)).join(", ")}` : "";
    return `${this.labels.status[joint]}${numbers}${sure === null ? "" : `, confidence ${sure}`}`;
  }

  buildJoints() {
    this.skeleton.names.forEach((name, joint) => {
      const dot = element("i");
      dot.style.background = this.skeleton.colors[joint];
      const text = element("span", {}, name.replace(/_/g, " "));
      this.joints.append(element("button", { type: "button", onclick: () => this.select(joint) }, dot, text, element("em")));
    });
  }

  // Pictures and labels from the kernel

  async start() {
    const answer = await this.ask("start", { count: 0 });
    if (!answer) return;
    this.skeleton = answer.skeleton;
    this.file = answer.file;
    this.buildJoints();
    this.take(answer);
    const first = this.keys[Math.max(0, [...this.states].findIndex((state) => state !== "d"))];
    await this.open(first);
  }

  /** The kernel's answer; an error is shown, and gives undefined. */
  async ask(kind, content) {
    try {
      return await this.kernel.ask(kind, content);
    } catch (error) {
      this.say(error.message, "bad");
    }
  }

  take({ keys, states }) {
    this.keys = keys || this.keys;
    this.states = states;
  }

  /** Saves what is at hand, and shows a picture with its labels. */
  async open(key) {
    this.save();
    Object.assign(this, { key, labels: null, view: null, part: null, others: [], asked: false });
    this.refresh();
    try {
      const [answer, picture] = await Promise.all([this.kernel.ask("labels", { key, count: this.keys.length }), this.picture(key)]);
      this.take(answer);
      if (this.key !== key) return;
      const kept = this.unsaved.get(key); // could not be written before
      Object.assign(this, { base: kept ? kept.base : answer.labels, shown: picture, others: answer.others });
      this.labels = structuredClone(kept ? kept.labels : answer.labels);
      this.stage.node.style.setProperty("--aspect", picture.width / picture.height);
      this.joint = this.firstJoint();
      this.fit();
      this.refresh();
      this.fetchAhead();
    } catch (error) {
      if (this.key === key) this.say(error.message, "bad");
    }
  }

  /** The picture of a key as large as it is shown, fetched once. */
  picture(key) {
    if (!this.pictures.has(key)) {
      const fetched = this.kernel.ask("picture", { key, part: null, ...this.pixels() }).then(decoded);
      fetched.catch(() => this.pictures.delete(key));
      this.pictures.set(key, fetched);
      if (this.pictures.size > KEPT) this.pictures.delete(this.pictures.keys().next().value);
    }
    return this.pictures.get(key);
  }

  pixels() {
    const [width, height] = this.stage.size.map((side) => Math.max(64, Math.round(side * devicePixelRatio)));
    return { width, height };
  }

  async fetchAhead() {
    const at = this.keys.indexOf(this.key);
    for (const key of this.keys.slice(at + 1, at + 1 + AHEAD)) await this.picture(key).catch(() => {});
  }

  /** Fetches the part of the picture that is shown in `view`, if there is more to see in it than has come. */
  fetchPart(view, width, height) {
    clearTimeout(this.timer);
    const needed = Math.min(1, 0.95 * view.scale * devicePixelRatio);
    if ([this.shown, this.part].some((picture) => picture?.resolution >= needed && covers(picture, view, width, height))) return;
    this.timer = setTimeout(async () => {
      const key = this.key;
      const [left, top] = toImage(view, [-0.1 * width, -0.1 * height]).map((value) => Math.max(0, Math.floor(value)));
      const ends = toImage(view, [1.1 * width, 1.1 * height]).map(Math.ceil);
      const part = [left, top, Math.min(this.shown.width, ends[0]), Math.min(this.shown.height, ends[1])];
      if (part[0] >= part[2] || part[1] >= part[3]) return;
      const size = { width: Math.round(1.2 * width * devicePixelRatio), height: Math.round(1.2 * height * devicePixelRatio) };
      const answer = await this.ask("picture", { key, part, ...size });
      if (answer && this.key === key) this.part = await decoded(answer);
      this.stage.redraw();
    }, 120);
  }

  // Saving

  isEdited() {
    return this.labels && JSON.stringify(this.labels) !== JSON.stringify(this.base);
  }

  /** Sends the labels at hand, and any that could not be saved before, to the kernel. */
  save() {
    if (this.isEdited()) this.unsaved.set(this.key, { labels: structuredClone(this.labels), base: this.base });
    if (!this.unsaved.size) return this.saving;
    this.saved.textContent = "saving …";
    this.saving = this.saving.then(() => this.saveAll());
    return this.saving;
  }

  async saveAll() {
    for (const [key, sent] of [...this.unsaved]) {
      try {
        const answer = await this.kernel.ask("save", { key, labels: sent.labels, base: sent.base, count: this.keys.length });
        this.settleSave(key, sent, answer);
      } catch (error) {
        this.say(`Not saved: ${error.message}`, "bad");
        this.saved.textContent = `${this.unsaved.size} not saved`;
        return;
      }
    }
    this.saved.textContent = `saved ${new Date().toLocaleTimeString()}`;
    this.refresh();
  }

  settleSave(key, sent, answer) {
    const latest = this.unsaved.get(key);
    if (latest === sent) this.unsaved.delete(key);
    else if (latest) latest.base = sent.labels;
    if (this.key === key && this.labels) this.base = sent.labels;
    this.take(answer);
    if (answer.aside) this.say(`${key} was changed elsewhere, too. Your version is in ${this.file}, the other one in ${answer.aside}.`, "bad");
  }

  // Editing

  isOpen(joint) {
    return this.labels.status[joint] === "predicted" && !this.labels.landmarks[joint];
  }

  /** The joint to begin with: the first that is not placed, else the least sure. */
  firstJoint() {
    const open = this.labels.landmarks.findIndex((_, joint) => this.isOpen(joint));
    if (open >= 0) return open;
    const sure = this.labels.confidence.map((value, joint) => (this.labels.status[joint] === "predicted" ? value : 2));
    return sure.indexOf(Math.min(...sure));
  }

  history() {
    if (!this.histories.has(this.key)) this.histories.set(this.key, { past: [], future: [] });
    return this.histories.get(this.key);
  }

  /** Changes the labels so that it can be undone. */
  edit(change) {
    if (!this.labels) return;
    const history = this.history();
    history.past.push(structuredClone(this.labels));
    history.future = [];
    change(this.labels);
    this.asked = false;
    this.saved.textContent = "";
    this.say("");
    this.refresh();
  }

  undo(from, to) {
    const history = this.history();
    if (!this.labels || !history[from].length) return;
    history[to].push(this.labels);
    this.labels = history[from].pop();
    this.refresh();
  }

  set(labels, joint, place, status) {
    labels.landmarks[joint] = place;
    labels.status[joint] = status;
    labels.confidence[joint] = null;
  }

  isInside([x, y]) {
    return x >= -0.5 && y >= -0.5 && x <= this.shown.width - 0.5 && y <= this.shown.height - 0.5;
  }

  /** Puts the selected joint at a place in the picture, image px. */
  place([x, y]) {
    const inside = (value, side) => Math.min(side - 0.5, Math.max(-0.5, value));
    const place = [inside(x, this.shown.width), inside(y, this.shown.height)];
    this.set(this.labels, this.joint, place, this.labels.status[this.joint] === "guessed" ? "guessed" : "confirmed");
  }

  move(x, y) {
    const [width, height] = this.stage.size;
    const from = this.labels?.landmarks[this.joint] || toImage(this.view, [width / 2, height / 2]);
    this.edit(() => this.place([from[0] + x, from[1] + y]));
  }

  select(joint) {
    if (!this.labels) return;
    this.justHidden = false;
    this.joint = (joint + this.skeleton.names.length) % this.skeleton.names.length;
    this.refresh();
  }

  /** Goes on to the next joint that is not placed. */
  advance() {
    const count = this.skeleton.names.length;
    const following = Array.from({ length: count }, (_, k) => (this.joint + 1 + k) % count);
    const open = following.find((joint) => this.isOpen(joint));
    if (open === undefined) this.say("All joints are placed: Enter confirms, and goes on.", "good");
    else this.select(open);
  }

  guess() {
    const place = this.labels?.landmarks[this.joint];
    if (!place) return this.say("Place the joint first; then G marks it as guessed.");
    const status = this.labels.status[this.joint] === "guessed" ? "confirmed" : "guessed";
    this.edit((labels) => this.set(labels, this.joint, place, status));
  }

  hide() {
    this.edit((labels) => this.set(labels, this.joint, null, "hidden"));
    this.justHidden = true; // a click does not place it again, unless it is selected anew
    if (this.labels) this.advance();
  }

  takeOff(joints) {
    this.edit((labels) => joints.forEach((joint) => this.set(labels, joint, null, "predicted")));
  }

  swap() {
    const { mirrored } = this.skeleton;
    if (!mirrored) return this.say("The joints of this skeleton do not all have a counterpart.");
    this.edit((labels) => {
      for (const name of Object.keys(labels)) labels[name] = mirrored.map((other) => labels[name][other]);
    });
  }

  async copyPrevious() {
    const key = this.key;
    const answer = await this.ask("previous", { key });
    if (!answer || key !== this.key) return;
    const { labels } = answer;
    if (!labels) return this.say("The image before this one in the folder has no labels of this person.");
    this.edit((own) => {
      Object.assign(own, labels);
      own.status = labels.status.map((status) => (status === "confirmed" ? "predicted" : status));
    });
    this.select(0);
    this.say("Copied: correct it, then Enter confirms.");
  }

  async addPerson() {
    await this.save();
    const answer = await this.ask("add person", { key: this.key, count: this.keys.length });
    if (!answer) return;
    this.take(answer);
    this.pictures.set(answer.added, this.picture(this.key));
    await this.open(answer.added);
  }

  /** Confirms all joints, and goes on; asks before it gives up those that are not placed. */
  confirm() {
    if (!this.labels) return;
    const open = this.labels.landmarks.filter((_, joint) => this.isOpen(joint)).length;
    if (open && !this.asked) {
      this.asked = true;
      return this.say(`${open} joint${open > 1 ? "s are" : " is"} not placed. Press Enter again to mark them as not visible.`, "bad");
    }
    this.edit((labels) => {
      labels.status.forEach((status, joint) => {
        const place = labels.landmarks[joint];
        if (status === "predicted") this.set(labels, joint, place, place ? "confirmed" : "hidden");
      });
    });
    this.goOn();
  }

  async goOn() {
    const at = this.keys.indexOf(this.key);
    this.states = `${this.states.slice(0, at)}d${this.states.slice(at + 1)}`;
    const following = [...this.keys.slice(at + 1), ...this.keys.slice(0, at)];
    const key = following.find((other) => this.states[this.keys.indexOf(other)] !== "d");
    if (key) return this.open(key);
    await this.save();
    this.say("Everything is done.", "good");
  }

  step(by) {
    const key = this.keys[this.keys.indexOf(this.key) + by];
    if (key) this.open(key);
    else this.say(by > 0 ? "This is the last one." : "This is the first one.");
  }

  async openLeastSure() {
    await this.save();
    const answer = await this.ask("least sure");
    if (answer?.key) await this.open(answer.key);
    else if (answer) this.say("No picture has predicted joints.");
  }

  // Mouse, touch and wheel

  listen() {
    const { signal } = this.listeners;
    const { canvas } = this.stage;
    canvas.addEventListener("pointerdown", (event) => this.press(event));
    canvas.addEventListener("pointermove", (event) => this.drag(event));
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, (event) => this.release(event));
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.strip.canvas.addEventListener("click", (event) => this.jump(event));
    this.root.addEventListener("focusout", (event) => !this.root.contains(event.relatedTarget) && this.save());
    document.addEventListener("visibilitychange", () => document.hidden && this.save(), { signal });
    addEventListener("pagehide", () => this.save(), { signal });
    listenToKeys(this.root, () => this.commands());
  }

  press(event) {
    if (!this.labels) return;
    this.stage.canvas.setPointerCapture(event.pointerId);
    const place = this.stage.place(event);
    this.pointers.set(event.pointerId, place);
    if (this.pointers.size > 1) this.drop();
    else if (event.button === 0) this.grab(place, NEAR[event.pointerType] || NEAR.mouse);
    this.stage.redraw();
  }

  /** Takes the joint under the pointer, or puts the selected one there if it is not placed. */
  grab(place, near) {
    const taken = this.jointAt(place, near);
    const free = !this.labels.landmarks[this.joint] && !this.justHidden;
    if (taken === null && !(free && this.isInside(toImage(this.view, place)))) return;
    this.grabbed = { isNew: taken === null, offset: [0, 0], start: place };
    if (taken === null) {
      this.edit(() => this.place(toImage(this.view, place)));
    } else {
      const [x, y] = toScreen(this.view, this.labels.landmarks[taken]);
      this.grabbed.offset = [x - place[0], y - place[1]];
      this.select(taken);
    }
    const around = this.lensView(this.labels.landmarks[this.joint], [100, 100]);
    this.fetchPart(around, 200, 200);
  }

  /** A second finger: what the first one did is undone. */
  drop() {
    if (!this.grabbed) return;
    if (this.grabbed.isNew || this.grabbed.moved) this.undo("past", "future");
    this.grabbed = null;
  }

  jointAt(place, near) {
    let [nearest, found] = [near, null];
    this.labels.landmarks.forEach((landmark, joint) => {
      if (!landmark) return;
      const [x, y] = toScreen(this.view, landmark);
      const distance = Math.hypot(x - place[0], y - place[1]) - (joint === this.joint ? 1 : 0);
      if (distance < nearest) [nearest, found] = [distance, joint];
    });
    return found;
  }

  drag(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before || !this.labels) return;
    const place = this.stage.place(event);
    if (this.pointers.size > 1) this.pinch(event.pointerId, before, place);
    else if (this.grabbed) this.dragJoint(place);
    else this.pan(place[0] - before[0], place[1] - before[1]);
    this.pointers.set(event.pointerId, place);
  }

  dragJoint(place) {
    const { start, offset, isNew } = this.grabbed;
    if (!this.grabbed.moved && Math.hypot(place[0] - start[0], place[1] - start[1]) < 2) return;
    if (!this.grabbed.moved && !isNew) this.edit(() => {});
    this.grabbed.moved = true;
    this.place(toImage(this.view, [place[0] + offset[0], place[1] + offset[1]]));
    this.refresh();
  }

  /** Two fingers: the places under them stay under them. */
  pinch(id, before, place) {
    const [other] = [...this.pointers].filter(([key]) => key !== id).map(([, value]) => value);
    const length = ([x, y]) => Math.max(20, Math.hypot(x - other[0], y - other[1]));
    this.pan((place[0] - before[0]) / 2, (place[1] - before[1]) / 2);
    this.zoom([(place[0] + other[0]) / 2, (place[1] + other[1]) / 2], length(place) / length(before));
  }

  release(event) {
    this.pointers.delete(event.pointerId);
    const placed = this.grabbed?.isNew;
    this.grabbed = null;
    if (placed) this.advance();
    this.refresh();
  }

  /** Zooms when the labeller has the focus; the page scrolls otherwise. */
  wheel(event) {
    if (!this.labels || !this.root.contains(document.activeElement)) return;
    event.preventDefault();
    if (event.shiftKey) this.pan(-event.deltaX - event.deltaY, 0);
    else this.zoom(this.stage.place(event), 1.0015 ** -event.deltaY);
  }

  jump(event) {
    const [x] = this.strip.place(event);
    const key = this.keys[Math.floor((x / this.strip.size[0]) * this.keys.length)];
    if (key) this.open(key);
  }

  // The view

  fit() {
    if (!this.shown) return;
    this.view = fittingView(this.shown, ...this.stage.size);
    this.viewSize = this.stage.size;
    this.afterViewChange();
  }

  zoom([x, y], factor) {
    if (!this.view) return;
    const least = fittingView(this.shown, ...this.stage.size).scale / 2;
    const scale = Math.min(64, Math.max(least, this.view.scale * factor));
    const ratio = scale / this.view.scale;
    this.view = { scale, left: x + (this.view.left - x) * ratio, top: y + (this.view.top - y) * ratio };
    this.afterViewChange();
  }

  /** Zooms around the selected joint, or the middle. */
  zoomHere(factor) {
    const landmark = this.labels?.landmarks[this.joint];
    const [width, height] = this.stage.size;
    this.zoom(landmark ? toScreen(this.view, landmark) : [width / 2, height / 2], factor);
  }

  pan(x, y) {
    if (!this.view) return;
    this.view = { ...this.view, left: this.view.left + x, top: this.view.top + y };
    this.afterViewChange();
  }

  afterViewChange() {
    this.fetchPart(this.view, ...this.stage.size);
    this.stage.redraw();
  }

  lensView(landmark, [x, y]) {
    const scale = this.view.scale * LENS.zoom;
    return { scale, left: x - (landmark[0] + 0.5) * scale, top: y - (landmark[1] + 0.5) * scale };
  }

  // Drawing

  draw(context, width, height) {
    if (!this.labels || !this.view) return this.drawText(context, width, height, this.key ? "loading …" : "waiting for the kernel …");
    if (this.viewSize.join() !== this.stage.size.join()) this.fit();
    this.drawScene(context, this.view);
    const landmark = this.labels.landmarks[this.joint];
    if (this.grabbed && landmark) this.drawLens(context, landmark, width);
  }

  drawText(context, width, height, text) {
    context.fillStyle = "#aaa";
    context.textAlign = "center";
    context.font = "14px sans-serif";
    context.fillText(text, width / 2, height / 2);
  }

  drawScene(context, view) {
    drawPicture(context, view, this.shown);
    if (this.part) drawPicture(context, view, this.part);
    for (const other of this.others) drawSkeleton(context, view, this.skeleton, other, { opacity: 0.4 });
    drawSkeleton(context, view, this.skeleton, this.labels.landmarks, { dots: false, opacity: 0.8, warned: this.crossed.limbs });
    this.labels.landmarks.forEach((place, joint) => place && this.drawJoint(context, toScreen(view, place), joint));
  }

  drawJoint(context, [x, y], joint) {
    const hollow = this.labels.status[joint] !== "confirmed";
    drawDot(context, [x, y], this.skeleton.colors[joint], { hollow });
    if (this.labels.status[joint] === "guessed") {
      context.fillStyle = "white";
      context.font = "bold 14px sans-serif";
      context.fillText("≈", x + 12, y + 4);
    }
    if (joint !== this.joint) return;
    this.drawCircle(context, x, y, 10, "white", 2);
  }

  drawCircle(context, x, y, radius, color, width) {
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.strokeStyle = color;
    context.lineWidth = width;
    context.stroke();
  }

  /** The surroundings of the joint, enlarged, in the corner away from it. */
  drawLens(context, landmark, width) {
    const { radius } = LENS;
    const [x, y] = toScreen(this.view, landmark);
    const near = x < 2 * radius + 60 && y < 2 * radius + 60;
    const middle = [near ? width - radius - 10 : radius + 10, radius + 10];
    context.save();
    context.beginPath();
    context.arc(...middle, radius, 0, 2 * Math.PI);
    context.clip();
    context.fillStyle = "black";
    context.fillRect(middle[0] - radius, middle[1] - radius, 2 * radius, 2 * radius);
    const view = this.lensView(landmark, middle);
    drawPicture(context, view, this.shown);
    if (this.part) drawPicture(context, view, this.part);
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      const cross = [4, radius].map((far) => [middle[0] + dx * far, middle[1] + dy * far]);
      stroke(context, cross, "rgba(255, 255, 255, 0.7)", 1);
    }
    context.restore();
    this.drawCircle(context, ...middle, radius, "white", 2);
  }

  drawStrip(context, width, height) {
    const colors = { d: "#3fa34d", u: "#f0b429", t: "#9aa0a6" };
    const step = width / this.keys.length;
    this.keys.forEach((_, k) => {
      context.fillStyle = colors[this.states[k]];
      context.fillRect(k * step, 4, Math.max(0.5, step - (step > 4 ? 1 : 0)), height - 8);
    });
    const at = this.keys.indexOf(this.key);
    if (at < 0) return;
    context.fillStyle = getComputedStyle(this.root).color;
    context.fillRect((at + 0.5) * step - Math.max(3, step) / 2, 0, Math.max(3, step), 3);
    context.fillRect((at + 0.5) * step - Math.max(3, step) / 2, height - 3, Math.max(3, step), 3);
  }

  /** A person who faces us, with the selected joint marked. */
  drawFigure(context, width, height) {
    if (!this.skeleton) return;
    const side = Math.min(width, height) - 24;
    const view = { scale: side, left: (width - side) / 2 - 0.5 * side, top: 12 - 0.5 * side };
    drawSkeleton(context, view, this.skeleton, this.skeleton.figure, { opacity: 0.75 });
    const place = this.skeleton.figure[this.joint];
    if (!place) return;
    const [x, y] = toScreen(view, place);
    this.drawCircle(context, x, y, 9, getComputedStyle(this.root).color, 2.5);
    drawDot(context, [x, y], this.skeleton.colors[this.joint], { radius: 6 });
  }
}

/** Whether a picture has everything of the image that a view of this size shows. */
function covers({ left, top, right, bottom, width, height }, view, viewWidth, viewHeight) {
  const [first, last] = [toImage(view, [0, 0]), toImage(view, [viewWidth, viewHeight])];
  const begins = left <= Math.max(0, first[0]) && top <= Math.max(0, first[1]);
  return begins && right >= Math.min(width, last[0]) && bottom >= Math.min(height, last[1]);
}

/** The limbs that cross their counterparts, and the sides of the trunk: {limbs: a set of indices, names}. */
function crossings({ names, limbs, mirrored }, landmarks) {
  const found = { limbs: new Set(), names: [] };
  if (!mirrored) return found;
  const trunk = ["left_shoulder", "left_hip"].map((name) => names.indexOf(name));
  const sides = [...limbs.filter(([from, to]) => from !== mirrored[from] && to !== mirrored[to] && names[to].startsWith("left_"))];
  if (!trunk.includes(-1)) sides.push(trunk);
  for (const [from, to] of sides) {
    const ends = [from, to, mirrored[from], mirrored[to]].map((joint) => landmarks[joint]);
    if (ends.includes(null) || !cross(...ends)) continue;
    const isTrunk = from === trunk[0] && to === trunk[1];
    found.names.push(isTrunk ? "of the trunk" : names[to].replace("left_", ""));
    limbs.forEach((limb, k) => [[from, to], [mirrored[from], mirrored[to]]].some((one) => one.join() === limb.join()) && found.limbs.add(k));
  }
  return found;
}

/** Whether the line from a to b meets that from c to d. */
function cross(a, b, c, d) {
  const turn = (p, q, r) => Math.sign((q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]));
  return turn(a, b, c) * turn(a, b, d) < 0 && turn(c, d, a) * turn(c, d, b) < 0;
}

export default {
  render({ model, el }) {
    const labeller = new JointLabeller(model, el);
    return () => labeller.close();
  },
};
