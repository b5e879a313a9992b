// The labeller of clips: plays the frames of a recording, and marks which of them show which action.

const ACTION_KEYS = [..."1234567890qwertuiopasdghjk"];
const SPEEDS = [0.25, 0.5, 1, 2, 4];
const BATCH = 6; // pictures in an answer
const FETCHED_AHEAD = 30; // frames
const FRAMES_KEPT = 240;
const THUMBNAILS = 12;
const BARS = { top: 74, height: 22 }; // CSS px, in the time line
const ACTION_COLORS = ["#4e79a7", "#f28e2b", "#59a14f", "#b07aa1", "#e15759", "#76b7b2", "#9c755f", "#d37295", "#a0862d", "#6b7f8c"];

class ClipMarker {
  constructor(model, el) {
    this.kernel = new Kernel(model, () => this.say(SILENCE, "bad"));
    Object.assign(this, { pictures: new Map(), clips: [], names: [], actions: [], frame: 0, speed: 2, subjects: {} });
    this.build(el);
    this.start();
  }

  close() {
    this.pause();
    this.kernel.close();
    this.stage.close();
    this.line.close();
  }

  // What there is to see

  build(el) {
    this.root = rootElement("Labeller of clips");
    this.stage = new Stage("the frame", (...args) => this.draw(...args));
    this.line = new Stage("the recording", (...args) => this.drawLine(...args));
    this.line.node.classList.add("line");
    this.recordings = element("select", { "aria-label": "Recording", onchange: () => this.open(this.recordings.value) });
    this.subject = element("input", { type: "text", size: 12, placeholder: "name or number", oninput: () => this.remember() });
    this.position = element("span", { className: "counts" });
    this.saved = element("span", { className: "saved" });
    this.note = element("div", { className: "note", role: "status", "aria-live": "polite" });
    this.choices = element("div", { className: "actions", role: "group", "aria-label": "Actions" });
    this.newAction = element("input", { type: "text", size: 12, placeholder: "another action", "aria-label": "Another action" });
    const commands = this.commands();
    const adding = element("button", { type: "button", textContent: "Add", onclick: () => this.addAction() });
    const actions = element("div", { className: "side" }, element("b", {}, "Actions"), this.choices, element("div", { className: "bar" }, this.newAction, adding));
    this.root.append(
      element("div", { className: "head" }, this.recordings, element("label", {}, "Subject ", this.subject), this.position, this.saved),
      this.note,
      element("div", { className: "player" }, this.stage.node, actions),
      this.line.node,
      element("div", { className: "bar" }, ...commandButtons(commands)),
      legend(commands),
    );
    el.append(this.root);
    this.line.canvas.addEventListener("pointerdown", (event) => this.seek(event));
    this.line.canvas.addEventListener("pointermove", (event) => event.buttons && this.seek(event));
    for (const field of [this.subject, this.newAction]) field.addEventListener("keydown", (event) => this.leaveField(event));
    listenToKeys(this.root, () => [...this.commands(), ...ACTION_KEYS.map((key, k) => ({ keys: [key], run: () => this.choose(k) }))]);
  }

  commands() {
    const command = (keys, run, label, button, shown) => ({ keys, run, label, button, shown });
    return [
      command([" "], () => (this.timer ? this.pause() : this.play()), "play, pause", "▶ Play, pause"),
      command(["ArrowLeft"], () => this.show(this.frame - 1), "one frame back or on; ten with Shift", "‹", ["ArrowLeft", "ArrowRight"]),
      command(["ArrowRight"], () => this.show(this.frame + 1), "", "›"),
      command(["Shift+ArrowLeft"], () => this.show(this.frame - 10)),
      command(["Shift+ArrowRight"], () => this.show(this.frame + 10)),
      command(["Home"], () => this.show(0), "first frame, last frame", "", ["Home", "End"]),
      command(["End"], () => this.show(this.names.length - 1)),
      command(["-"], () => this.setSpeed(this.speed - 1), "slower, faster", "Slower", ["-", "+"]),
      command(["+", "="], () => this.setSpeed(this.speed + 1), "", "Faster"),
      command(["f"], () => this.mark("first"), "the action begins here", "[ First"),
      command(["l"], () => this.mark("last"), "it ends here; then choose the action", "Last ]"),
      command(["1"], () => this.choose(0), "which action it is; in a clip, another one", "", ["1", "2", "3"]),
      command(["Escape"], () => this.unmark(), "forget the marks"),
      command(["Delete", "Backspace"], () => this.remove(), "delete the clip here", "Delete clip"),
      command(["z", "Ctrl+z"], () => this.change("undo"), "undo", "↶ Undo"),
      command(["Shift+z", "y", "Ctrl+y", "Ctrl+Shift+z"], () => this.change("redo"), "redo", "↷ Redo", ["y"]),
      command(["PageUp"], () => this.step(-1), "recording before, recording after", "", ["PageUp", "PageDown"]),
      command(["PageDown"], () => this.step(1)),
    ];
  }

  say(text, kind = "") {
    this.note.textContent = text;
    this.note.className = `note ${kind}`;
  }

  refresh() {
    const here = this.clipHere();
    const marked = this.clips.length === 1 ? "1 clip" : `${this.clips.length} clips`;
    this.position.textContent = `frame ${this.frame + 1} of ${this.names.length} · speed × ${SPEEDS[this.speed]} · ${marked}`;
    this.stage.canvas.setAttribute("aria-label", `frame ${this.frame + 1}${here ? `, ${here.action}` : ""}`);
    [...this.choices.children].forEach((button, k) => button.setAttribute("aria-pressed", here?.action === this.actions[k]));
    this.stage.redraw();
    this.line.redraw();
  }

  buildChoices() {
    this.choices.replaceChildren(
      ...this.actions.map((action, k) => {
        const dot = element("i");
        dot.style.background = this.colorOf(action);
        const key = ACTION_KEYS[k] ? [element("kbd", {}, ACTION_KEYS[k].toUpperCase())] : [];
        return element("button", { type: "button", onclick: () => this.choose(k) }, dot, ...key, element("span", {}, action));
      }),
    );
  }

  colorOf(action) {
    return ACTION_COLORS[this.actions.indexOf(action) % ACTION_COLORS.length];
  }

  // Recordings and pictures from the kernel

  async start() {
    const answer = await this.kernel.ask("start", {});
    Object.assign(this, { skeleton: answer.skeleton, fps: answer.fps, file: answer.file, actions: answer.actions });
    this.titles = answer.titles;
    this.recordings.replaceChildren(...this.titles.map((title) => element("option", { value: title }, title === "." ? "all frames" : title)));
    this.buildChoices();
    await this.open(this.titles[0]);
  }

  async open(title) {
    this.pause();
    this.recordings.value = title;
    try {
      const { names, landmarks, clips } = await this.kernel.ask("recording", { title });
      Object.assign(this, { title, names, landmarks, marks: {} });
      this.take({ clips });
      this.subject.value = this.subjects[title] || clips[0]?.subject || "";
      this.say("F where an action begins, L where it ends, then the action's key.");
      this.show(0);
      await this.fetch(this.thumbnailFrames());
      this.line.redraw();
    } catch (error) {
      this.say(error.message, "bad");
    }
  }

  take({ clips }) {
    this.clips = clips;
    for (const { action } of clips) if (!this.actions.includes(action)) this.actions.push(action);
    this.buildChoices();
    this.refresh();
  }

  /** Fetches the pictures of frames, in batches, each once. */
  async fetch(frames) {
    const missing = [...new Set(frames.map((frame) => this.names[frame]))].filter((name) => name && !this.pictures.has(name));
    const [width, height] = this.stage.size.map((side) => Math.max(64, Math.round(side * devicePixelRatio)));
    const batches = [];
    for (let from = 0; from < missing.length; from += BATCH) {
      const names = missing.slice(from, from + BATCH);
      const answer = this.kernel.ask("pictures", { names, width, height });
      names.forEach((name, k) => this.keep(name, answer.then(({ pictures }) => decoded(pictures[k]))));
      batches.push(answer);
    }
    await Promise.all(batches);
  }

  keep(name, promise) {
    const kept = { promise, picture: null };
    this.pictures.set(name, kept);
    promise.then((picture) => {
      kept.picture = picture;
      this.stage.node.style.setProperty("--aspect", picture.width / picture.height);
      this.stage.redraw();
    }).catch((error) => {
      this.pictures.delete(name);
      this.say(error.message, "bad");
    });
    const thumbnails = new Set(this.thumbnailFrames().map((frame) => this.names[frame]));
    for (const old of this.pictures.keys()) {
      if (this.pictures.size <= FRAMES_KEPT) break;
      if (!thumbnails.has(old) && old !== this.names[this.frame]) this.pictures.delete(old);
    }
  }

  /** Frames spread evenly, for the pictures above the time line. */
  thumbnailFrames() {
    const count = Math.min(THUMBNAILS, this.names.length);
    return Array.from({ length: count }, (_, k) => Math.floor(((k + 0.5) * this.names.length) / count));
  }

  // Playing

  show(frame) {
    this.frame = Math.max(0, Math.min(this.names.length - 1, frame));
    const ahead = Math.ceil(this.frame / BATCH) * BATCH;
    const frames = [this.frame, ...Array.from({ length: FETCHED_AHEAD }, (_, k) => ahead + k)];
    this.fetch(frames.filter((one) => one < this.names.length)).catch(() => {});
    this.refresh();
  }

  play() {
    if (this.frame === this.names.length - 1) this.frame = 0;
    const tick = () => {
      const next = this.frame + 1;
      if (next >= this.names.length) return this.pause();
      if (this.pictures.get(this.names[next])?.picture) this.show(next);
      else this.fetch([next]).catch(() => this.pause());
    };
    this.timer = setInterval(tick, 1000 / (this.fps * SPEEDS[this.speed]));
  }

  pause() {
    clearInterval(this.timer);
    this.timer = null;
  }

  setSpeed(speed) {
    const playing = this.timer;
    this.pause();
    this.speed = Math.max(0, Math.min(SPEEDS.length - 1, speed));
    if (playing) this.play();
    this.refresh();
  }

  seek(event) {
    const [x] = this.line.place(event);
    this.show(Math.floor((x / this.line.size[0]) * this.names.length));
  }

  step(by) {
    const title = this.titles[this.titles.indexOf(this.title) + by];
    if (title) this.open(title);
    else this.say(by > 0 ? "This is the last recording." : "This is the first recording.");
  }

  // Marking

  clipHere() {
    return this.clips.find(({ first, last }) => first <= this.frame && this.frame <= last);
  }

  mark(end) {
    this.marks[end] = this.frame;
    const { first, last } = this.marks;
    if (first === undefined) this.say("The end is marked. F marks where the action begins.");
    else if (last === undefined) this.say("The beginning is marked. L marks the end, then choose the action.");
    else this.say(`Frames ${first + 1} to ${last + 1}: which action? Its key, or a click.`);
    this.refresh();
  }

  unmark() {
    this.marks = {};
    this.say("");
    this.refresh();
  }

  /** Makes a clip of the marked frames, or gives the clip here another action. */
  async choose(k) {
    const action = this.actions[k];
    const here = this.clipHere();
    if (!action) return;
    if (this.marks.first === undefined) {
      if (!here) return this.say("Mark first: F where the action begins, L where it ends.");
      return this.change("relabel", { clip: here.clip, action });
    }
    if (!this.subject.value.trim()) {
      this.subject.focus();
      return this.say("Who is it? Write a name or number as the subject, then choose the action again.", "bad");
    }
    const { first, last = this.frame } = this.marks;
    const done = await this.change("add", { subject: this.subject.value, action, first, last });
    if (done) this.marks = {};
    this.refresh();
  }

  remove() {
    const here = this.clipHere();
    if (here) this.change("remove", { clip: here.clip });
    else this.say("There is no clip at this frame.");
  }

  /** Changes the file; whether that was possible. */
  async change(kind, content = {}) {
    try {
      const answer = await this.kernel.ask(kind, { title: this.title, ...content });
      if (!answer.done) return this.say(`There is nothing to ${kind}.`);
      this.take(answer);
      this.saved.textContent = `saved in ${this.file} ${new Date().toLocaleTimeString()}`;
      this.say({ add: "Saved.", remove: "Deleted; Z undoes it." }[kind] || "", "good");
      return true;
    } catch (error) {
      this.say(error.message, "bad");
      return false;
    }
  }

  remember() {
    this.subjects[this.title] = this.subject.value;
  }

  leaveField(event) {
    if (!["Enter", "Escape"].includes(event.key)) return;
    if (event.target === this.newAction) this.addAction();
    this.root.focus({ preventScroll: true });
  }

  addAction() {
    const action = this.newAction.value.trim();
    if (action && !this.actions.includes(action)) this.actions.push(action);
    this.newAction.value = "";
    this.buildChoices();
    this.refresh();
  }

  // Drawing

  draw(context, width, height) {
    const picture = this.pictures.get(this.names[this.frame])?.picture;
    if (!picture) return this.drawText(context, "loading …", width / 2, height / 2);
    const view = fittingView(picture, width, height);
    drawPicture(context, view, picture);
    if (this.landmarks) drawSkeleton(context, view, this.skeleton, this.landmarks[this.frame]);
    const here = this.clipHere();
    if (here) this.drawLabel(context, here);
  }

  drawText(context, text, x, y, color = "#aaa") {
    context.fillStyle = color;
    context.textAlign = "center";
    context.font = "14px sans-serif";
    context.fillText(text, x, y);
  }

  drawLabel(context, { action, subject }) {
    const text = `${action} · ${subject}`;
    context.font = "bold 14px sans-serif";
    context.textAlign = "left";
    context.fillStyle = this.colorOf(action);
    context.fillRect(8, 8, context.measureText(text).width + 16, 26);
    context.fillStyle = "white";
    context.fillText(text, 16, 26);
  }

  drawLine(context, width) {
    const step = width / Math.max(1, this.names.length);
    this.drawThumbnails(context, width);
    context.fillStyle = "rgba(128, 128, 128, 0.25)";
    context.fillRect(0, BARS.top, width, BARS.height);
    for (const clip of this.clips) this.drawBar(context, clip, step);
    this.drawMarks(context, step);
    context.fillStyle = "#ff3b3b";
    context.fillRect((this.frame + 0.5) * step - 1, 0, 2, BARS.top + BARS.height + 4);
  }

  drawThumbnails(context, width) {
    const frames = this.thumbnailFrames();
    const side = width / frames.length;
    frames.forEach((frame, k) => {
      const picture = this.pictures.get(this.names[frame])?.picture;
      if (!picture) return;
      context.save();
      context.beginPath();
      context.rect(k * side + 1, 0, side - 2, BARS.top - 6);
      context.clip();
      const fitting = fittingView(picture, side - 2, BARS.top - 6);
      const view = { ...fitting, left: fitting.left + k * side + 1 };
      if (this.landmarks) this.drawSmallSkeleton(context, frame, k * side, side);
      else drawPicture(context, view, picture);
      context.restore();
    });
  }

  /** The skeleton of a frame, as large as its place in the strip allows. */
  drawSmallSkeleton(context, frame, left, side) {
    const known = this.landmarks[frame].filter(Boolean);
    if (!known.length) return;
    const height = BARS.top - 6;
    const [low, high] = [Math.min, Math.max].map((end) => [0, 1].map((axis) => end(...known.map((place) => place[axis]))));
    const scale = Math.min((side - 12) / (high[0] - low[0] + 1), (height - 12) / (high[1] - low[1] + 1));
    const view = { scale, left: left + side / 2 - ((low[0] + high[0]) / 2) * scale, top: height / 2 - ((low[1] + high[1]) / 2) * scale };
    drawSkeleton(context, view, this.skeleton, this.landmarks[frame], { dots: false });
  }

  drawBar(context, { first, last, action }, step) {
    const [left, width] = [first * step, (last + 1 - first) * step];
    context.fillStyle = this.colorOf(action);
    context.fillRect(left, BARS.top, width - 1, BARS.height);
    context.save();
    context.beginPath();
    context.rect(left, BARS.top, width - 1, BARS.height);
    context.clip();
    context.textAlign = "left";
    context.font = "12px sans-serif";
    context.fillStyle = "white";
    context.fillText(action, left + 4, BARS.top + 15);
    context.restore();
  }

  drawMarks(context, step) {
    const { first, last } = this.marks || {};
    if (first === undefined && last === undefined) return;
    const [from, to] = [first ?? last, last ?? Math.max(first, this.frame)];
    context.strokeStyle = getComputedStyle(this.root).color;
    context.lineWidth = 2;
    context.setLineDash(last === undefined || first === undefined ? [4, 3] : []);
    context.strokeRect(from * step, BARS.top - 2, (to + 1 - from) * step, BARS.height + 4);
    context.setLineDash([]);
  }
}

export default {
  render({ model, el }) {
    const marker = new ClipMarker(model, el);
    return () => marker.close();
  },
};
