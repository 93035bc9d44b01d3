// Reads a stream of server-sent events: each execution result as it comes, until the server says that it is complete.

export async function* results(stream) {
  let text = "";
  for await (const piece of decoded(stream)) {
    text += piece;
    for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) {
      const { event, data } = parsed(text.slice(0, end));
      if (event === "complete") return;
      if (event === "next") yield JSON.parse(data);
    }
  }
}

async function* decoded(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (let part; !(part = await reader.read()).done; ) yield part.value;
  } finally {
    await reader.cancel();
  }
}

function parsed(block) {
  const fields = {};
  for (const line of block.split("\n")) {
    const [, name, value] = line.match(/^(\w*): ?(.*)$/) ?? [];
    if (name) fields[name] = value; // a comment has no name
  }
  return fields;
}
