// Requests to the server of this page, and text of numbers.

export async function json(path) {
  const answer = await fetch(path);
  const value = await answer.json();
  if (!answer.ok) throw new Error(value.reason);
  return value;
}

export async function bytes(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error((await answer.json()).reason);
  return answer.arrayBuffer();
}

export async function spikes(index) {
  const buffer = await bytes(`api/spikes/${index}`);
  const n = buffer.byteLength / 10;
  return { times: new Float64Array(buffer, 0, n), units: new Uint16Array(buffer, 8 * n, n) };
}

export const count = (value) => value.toLocaleString("en-GB");
export const many = (n, word) => `${count(n)} ${word}${n === 1 ? "" : "s"}`;

// An element with text; names from files go through textContent only.
export function element(tag, text = "", className = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}
