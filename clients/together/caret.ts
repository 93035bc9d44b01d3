/** Putting another text into a field in which somebody types. */

/** Where a place in `before` is in `after`: what changed elsewhere moves it along. */
export function moved(before: string, after: string, place: number): number {
  const most = Math.min(before.length, after.length);
  let head = 0;
  while (head < most && before[head] === after[head]) head++;
  let foot = 0;
  while (foot < most - head && before.at(-1 - foot) === after.at(-1 - foot)) foot++;
  if (place <= head) return place;
  return place >= before.length - foot ? place + after.length - before.length : Math.min(place, after.length - foot);
}

/** Show `text`, with the caret where it was in it. */
export function show(area: HTMLTextAreaElement | HTMLInputElement, text: string): void {
  if (area.value === text) return;
  const [start, end] = [area.selectionStart ?? 0, area.selectionEnd ?? 0].map((place) => moved(area.value, text, place));
  const { scrollTop } = area;
  area.value = text;
  area.setSelectionRange(start!, end!);
  area.scrollTop = scrollTop;
}
