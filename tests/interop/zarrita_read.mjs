// Reads the arrays whose folders and formats stand on stdin; writes their values, or why not, to stdout, one JSON a line.
// Runs with a folder that holds node_modules/zarrita as its working directory.
import { FileSystemStore } from "@zarrita/storage";
import * as zarr from "zarrita";

const elements = (array) => {
  const { data } = array;
  if (Array.isArray(data)) return { list: data };
  if (ArrayBuffer.isView(data)) {
    return { base64: Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("base64") };
  }
  const list = Array.from(data);
  return typeof list[0] === "boolean" ? { base64: Buffer.from(list.map(Number)).toString("base64") } : { list };
};

let input = "";
for await (const part of process.stdin) input += part;
for (const [folder, format] of JSON.parse(input)) {
  let line;
  try {
    const open = format === 3 ? zarr.open.v3 : zarr.open.v2;
    const array = await zarr.get(await open(new FileSystemStore(folder), { kind: "array" }));
    line = { ...elements(array), shape: array.shape, stride: array.stride };
  } catch (error) {
    line = { error: `${error.name}: ${error.message}` };
  }
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
