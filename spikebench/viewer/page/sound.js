// The recording and the sound made of the spikes: one player, which tells where it is.
import { bytes } from "./data.js";

export class Player {
  constructor({ button, which, silent, clock, moved, failed }) {
    Object.assign(this, { button, which, silent, clock, moved, failed, index: null, loaded: "" });
    this.audio = new Audio();
    this.audio.addEventListener("play", () => this.follow());
    for (const name of ["play", "pause", "ended"]) this.audio.addEventListener(name, () => this.label());
    button.addEventListener("click", () => this.toggle());
    which.addEventListener("change", () => this.choose());
  }

  // `reasons`: why there is no recording and no sound; empty where there is one.
  open(index, length, reasons) {
    this.audio.pause();
    Object.assign(this, { index, length, reasons, loaded: "", at: 0 });
    this.choose();
  }

  choose() {
    const wasPlaying = !this.audio.paused;
    this.audio.pause();
    this.loaded = "";
    const reason = this.reasons?.[this.which.value] ?? "";
    const name = this.which.value === "recording" ? "No recording" : "No sound";
    this.silent.textContent = reason ? `${name}: ${reason}.` : "";
    this.silent.hidden = !reason;
    this.button.disabled = Boolean(reason) || this.index === null;
    this.label();
    if (wasPlaying && !reason) this.toggle();
  }

  switch() {
    this.which.value = this.which.value === "recording" ? "sound" : "recording";
    this.choose();
  }

  label() {
    this.button.textContent = this.audio.paused ? "Play" : "Pause";
  }

  // A time set by hand.
  seek(time) {
    this.at = time;
    this.clock.textContent = `${time.toFixed(3)} of ${this.length.toFixed(3)} s`;
    if (this.loaded && Math.abs(this.audio.currentTime - time) > 0.02) this.audio.currentTime = time;
  }

  async toggle() {
    if (this.button.disabled) return;
    if (!this.audio.paused) return void this.audio.pause();
    try {
      await this.load();
      if (!this.loaded) return;
      const start = this.at >= this.audio.duration - 0.02 ? 0 : this.at;
      this.audio.currentTime = start;
      await this.audio.play();
    } catch (error) {
      if (error.name !== "AbortError") this.failed(error); // a pause before the sound began
    }
  }

  async load() {
    const wanted = `${this.which.value}/${this.index}`;
    if (this.loaded === wanted) return;
    const data = await bytes(`api/${wanted}`);
    if (wanted !== `${this.which.value}/${this.index}`) return;
    if (this.audio.src) URL.revokeObjectURL(this.audio.src);
    this.audio.src = URL.createObjectURL(new Blob([data], { type: "audio/wav" }));
    await new Promise((resolve, reject) => {
      this.audio.onloadedmetadata = resolve;
      this.audio.onerror = () => reject(new Error("this browser cannot play the sound"));
    });
    this.loaded = wanted;
  }

  follow() {
    if (this.loaded !== `${this.which.value}/${this.index}`) return;
    this.at = this.audio.currentTime;
    this.clock.textContent = `${this.at.toFixed(3)} of ${this.length.toFixed(3)} s`;
    this.moved(this.at);
    if (!this.audio.paused) requestAnimationFrame(() => this.follow());
  }
}
