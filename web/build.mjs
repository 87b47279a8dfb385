// Makes src/turnkeeper/pages/static/: call.html with its script and style inlined and their hashes in its policy, and
// folder/: pages that load both from the report's assets/, under names that hold their hashes.
import { createHash } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const target = join(here, "../src/turnkeeper/pages/static");
// The height of one channel, in pixels: wavesurfer writes it into its style, whose hash the policy names.
const CHANNEL_HEIGHT = 60;

const hash = (text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

async function bundle(name) {
  const done = await build({
    entryPoints: [join(here, `src/${name}.ts`), join(here, `src/${name}.css`)],
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    outdir: "out",
    format: "iife",
    target: ["chrome120", "firefox121", "safari17"],
    charset: "utf8",
    legalComments: "none",
    define: { CHANNEL_HEIGHT: String(CHANNEL_HEIGHT) },
  });
  const text = (ending) => done.outputFiles.find((file) => file.path.endsWith(ending)).text.trim();
  // Dark by the system's wish is the same block once more, so that it is written once.
  const dark = /:root\[data-theme=("?)dark\1\]\{([^}]*)\}/.exec(text(".css"))[2];
  const style = `${text(".css")}@media (prefers-color-scheme:dark){:root:not([data-theme]){${dark}}}`;
  // A script element ends at its first "</script", wherever that stands.
  return { script: text(".js").replaceAll("</", "<\\/"), style, inputs: Object.keys(done.metafile.inputs) };
}

async function wavesurferStyle() {
  const source = await readFile(join(here, "node_modules/wavesurfer.js/dist/wavesurfer.esm.js"), "utf8");
  const found = [...source.matchAll(/<style\$\{[^}]*\$\{[^}]*\}[^}]*\}>([\s\S]*?)<\/style>/g)];
  if (found.length !== 1) throw new Error(`wavesurfer.js has ${found.length} styles, and the policy expects one`);
  const template = found[0][1];
  const style = template.replace(/\$\{[^}]*\}/g, String(CHANNEL_HEIGHT)).replaceAll("\\n", "\n");
  if (template.match(/\$\{/g)?.length !== 1) throw new Error("wavesurfer.js has a style that the policy does not expect");
  return style;
}

async function licences(inputs) {
  const packages = [...new Set(inputs.flatMap((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? []))].sort();
  const texts = [];
  for (const name of packages) {
    const folder = join(here, "node_modules", name);
    const { version, license } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
    texts.push(`${name} ${version} (${license})\n\n${(await readFile(join(folder, "LICENSE"), "utf8")).trim()}\n`);
  }
  return texts.join("\n");
}

function policy(scripts, styles) {
  return [
    "default-src 'none'",
    `script-src ${scripts.join(" ")}`,
    `style-src ${styles.join(" ")}`,
    "img-src data:",
    "media-src blob:@media@",
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
}

function filled(shell, parts) {
  return shell.replace(/<!--(\w+)-->|"(policy)"/g, (whole, slot, quoted) => (quoted ? `"${parts.policy}"` : (parts[slot] ?? whole)));
}

/** The page that carries everything itself. */
function single(shell, { script, style, third }, moreStyles) {
  return filled(shell, {
    policy: policy([hash(script)], [style, ...moreStyles].map(hash)),
    style: `<style>${style}</style>`,
    script: `<script>${script}</script>`,
    licences: third ? `<!--\nThis page contains:\n\n${third.replaceAll("--", "- -")}-->` : "",
    alone: "",
  });
}

/** The page of a folder, and its assets. A file has no origin whose hashes a browser checks: the policy names the folder. */
async function linked(name, shell, { script, style, third }, moreStyles, way) {
  const notice = third ? `/*\n${third.replaceAll("*/", "* /")}*/\n` : "";
  const files = { js: notice + script, css: style };
  const named = (ending) => `${name}-${createHash("sha256").update(files[ending]).digest("hex").slice(0, 12)}.${ending}`;
  for (const ending of ["js", "css"]) await writeFile(join(work, "folder/assets", named(ending)), files[ending]);
  const html = filled(shell, {
    policy: policy(["'self' file:"], ["'self' file:", ...moreStyles.map(hash)]),
    style: `<link rel="stylesheet" href="${way}${named("css")}">`,
    script: `<script src="${way}${named("js")}"></script>`,
    licences: "",
    // Hidden by the style: it is read where neither style nor script were taken along.
    alone: `<p class="alone">This page needs the folder <code>assets</code> of its report. Open it there, or make a single file of it: <code>turnkeeper report ARCHIVE CONVERSATION --out call.html</code></p>`,
  });
  await writeFile(join(work, "folder", `${name}.html`), html);
}

const work = `${target}.making`;
await rm(work, { recursive: true, force: true });
await mkdir(join(work, "folder/assets"), { recursive: true });
const surfer = [await wavesurferStyle()];
for (const [name, styles, way] of [["call", surfer, "../assets/"], ["index", [], "assets/"]]) {
  const shell = await readFile(join(here, `src/${name}.html`), "utf8");
  const { inputs, ...made } = await bundle(name);
  made.third = await licences(inputs);
  await linked(name, shell, made, styles, way);
  if (name !== "call") continue;
  await writeFile(join(work, "call.html"), single(shell, made, styles));
  await writeFile(join(work, "THIRD-PARTY.txt"), made.third);
}
await rm(target, { recursive: true, force: true });
await rename(work, target);
