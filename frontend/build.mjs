// Bundles the scripts and styles, copies the icon sprite, and writes the manifest of hashed names.
// Output goes to ../src/tocsin/web/static, which is emptied first. The manifest is written last, so
// that an interrupted build is seen as no build.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "../src/tocsin/web/static");
const entries = { "src/app.js": "app.js", "src/app.css": "app.css" };
const copies = ["icons.svg", "favicon.svg"];

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });

const result = await esbuild.build({
  absWorkingDir: here,
  entryPoints: Object.keys(entries),
  entryNames: "[name]-[hash]",
  outdir: out,
  bundle: true,
  minify: true,
  format: "esm",
  target: ["es2022", "chrome123", "firefox121", "safari17.5"],
  legalComments: "linked",
  metafile: true,
  logLevel: "warning",
});

const assets = {};
for (const [file, meta] of Object.entries(result.metafile.outputs)) {
  if (meta.entryPoint) assets[entries[meta.entryPoint]] = basename(file);
}
for (const name of copies) {
  const bytes = readFileSync(join(here, name));
  const hash = createHash("sha256").update(bytes).digest("hex").slice(0, 8).toUpperCase();
  const extension = extname(name);
  assets[name] = `${basename(name, extension)}-${hash}${extension}`;
  writeFileSync(join(out, assets[name]), bytes);
}

const sprite = readFileSync(join(here, "icons.svg"), "utf8");
const icons = [...sprite.matchAll(/<symbol id="i-([a-z]+)"/g)].map((match) => match[1]);
const manifest = { inputs: process.env.TOCSIN_INPUT_HASH ?? "", assets, icons };
writeFileSync(join(out, "manifest.json"), `${JSON.stringify(manifest, null, 1)}\n`);
console.log(`Built ${Object.values(assets).join(", ")}`);
