/**
 * Cuts what is too long out of the stream of an MQTT 3.1.1 connection before anybody gathers it: the library waits for a
 * whole packet, and the standard allows 256 MB. A longer packet keeps its beginning, so that it is still acknowledged (a
 * broker would send it again after every reconnection) and the door can see that it was too long; the rest is let go.
 */

/** For one connection: takes what was read, gives what may pass on. `most` is the longest remaining length (MQTT 2.2.3). */
export function createFrameCutter(most: number): (chunk: Uint8Array) => Buffer {
  let header: number[] = [];
  let pass = 0;
  let skip = 0;
  return (chunk) => {
    const kept: Uint8Array[] = [];
    let at = 0;
    while (at < chunk.length) {
      if (pass > 0) {
        const piece = chunk.subarray(at, at + pass);
        kept.push(piece);
        pass -= piece.length;
        at += piece.length;
      } else if (skip > 0) {
        const gone = Math.min(skip, chunk.length - at);
        skip -= gone;
        at += gone;
      } else {
        header.push(chunk[at]);
        at += 1;
        // One byte of type and flags, then one to four of length, seven bits each, the lowest first.
        if (header.length < 2 || (header.at(-1) as number) > 127) if (header.length < 5) continue;
        const length = header.slice(1).reduce((sum, byte, i) => sum + (byte & 127) * 128 ** i, 0);
        pass = Math.min(length, most);
        skip = length - pass;
        kept.push(Uint8Array.of(header[0], ...lengthBytes(pass)));
        header = [];
      }
    }
    return Buffer.concat(kept);
  };
}

function lengthBytes(length: number): number[] {
  return length < 128 ? [length] : [(length & 127) | 128, ...lengthBytes(length >> 7)];
}
