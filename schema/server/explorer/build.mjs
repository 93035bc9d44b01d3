// Copies the files that the GraphiQL page needs out of node_modules into the static folder.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const vendor = join(here, "static/explorer/vendor");
const { files } = JSON.parse(readFileSync(join(here, "assets.json"), "utf8"));

mkdirSync(vendor, { recursive: true });
for (const { package: name, path, integrity } of files) {
  const bytes = readFileSync(join(here, "node_modules", name, path));
  const found = "sha384-" + createHash("sha384").update(bytes).digest("base64");
  // The same hashes guard the CDN page, so the two can never show different code.
  if (found !== integrity) throw new Error(`${name}/${path} is not the pinned file: assets.json says ${integrity}, npm brought ${found}`);
  // The source maps are not served; a hashing static storage would refuse a file that names one.
  const text = bytes.toString("utf8").replace(/\n?(\/\/# |\/\*# )sourceMappingURL=.*\s*$/, "\n");
  const target = join(vendor, basename(path));
  writeFileSync(target + ".part", text);
  renameSync(target + ".part", target);
  console.log(`${target}  ${Math.round(text.length / 1024)} kB`);
}
