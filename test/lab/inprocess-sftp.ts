import { type Stats, promises as fs } from 'node:fs';
import { type FileHandle } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type Attributes, type SFTPWrapper, utils } from 'ssh2';

const { STATUS_CODE, OPEN_MODE } = utils.sftp;
const MAX_READ = 256 * 1024;

type Handle = { readonly file: FileHandle } | { readonly dir: string; read: boolean };

/**
 * The reading half of SFTP (draft-ietf-secsh-filexfer-02): files, directories, stat. Writing is refused.
 * @param home what relative paths start from
 */
export function serveFiles(sftp: SFTPWrapper, home: string): void {
  const handles = new Map<string, Handle>();
  let next = 0;
  const at = (path: string): string => resolve(home, path);

  /** Runs an answer; what goes wrong becomes its status. */
  const answer = (id: number, work: () => Promise<void>): void => {
    work().catch((error: unknown) => {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === 'ENOENT' || code === 'ENOTDIR') sftp.status(id, STATUS_CODE.NO_SUCH_FILE);
      else if (code === 'EACCES' || code === 'EPERM') sftp.status(id, STATUS_CODE.PERMISSION_DENIED);
      else sftp.status(id, STATUS_CODE.FAILURE, String(error));
    });
  };
  const keep = (handle: Handle): Buffer => {
    const key = String(next++);
    handles.set(key, handle);
    return Buffer.from(key);
  };
  const file = (handle: Buffer): FileHandle => {
    const found = handles.get(handle.toString());
    if (found === undefined || !('file' in found)) throw new Error('no such handle');
    return found.file;
  };

  sftp
    .on('OPEN', (id, path, flags) => {
      answer(id, async () => {
        if ((flags & ~OPEN_MODE.READ) !== 0) sftp.status(id, STATUS_CODE.PERMISSION_DENIED);
        else sftp.handle(id, keep({ file: await fs.open(at(path), 'r') }));
      });
    })
    .on('READ', (id, handle, offset, length) => {
      answer(id, async () => {
        const size = Math.min(length, MAX_READ);
        const { bytesRead, buffer } = await file(handle).read(Buffer.alloc(size), 0, size, offset);
        if (bytesRead === 0) sftp.status(id, STATUS_CODE.EOF);
        else sftp.data(id, buffer.subarray(0, bytesRead));
      });
    })
    .on('FSTAT', (id, handle) => {
      answer(id, async () => {
        sftp.attrs(id, attributes(await file(handle).stat()));
      });
    })
    .on('STAT', (id, path) => {
      answer(id, async () => {
        sftp.attrs(id, attributes(await fs.stat(at(path))));
      });
    })
    .on('LSTAT', (id, path) => {
      answer(id, async () => {
        sftp.attrs(id, attributes(await fs.lstat(at(path))));
      });
    })
    .on('OPENDIR', (id, path) => {
      answer(id, async () => {
        if ((await fs.stat(at(path))).isDirectory()) sftp.handle(id, keep({ dir: at(path), read: false }));
        else sftp.status(id, STATUS_CODE.FAILURE);
      });
    })
    .on('READDIR', (id, handle) => {
      answer(id, async () => {
        const found = handles.get(handle.toString());
        if (found === undefined || !('dir' in found)) throw new Error('no such handle');
        if (found.read) {
          sftp.status(id, STATUS_CODE.EOF);
          return;
        }
        found.read = true;
        const names = await fs.readdir(found.dir);
        const entries = names.map(async (filename) => {
          const stats = await fs.lstat(resolve(found.dir, filename));
          return { filename, longname: filename, attrs: attributes(stats) };
        });
        sftp.name(id, await Promise.all(entries));
      });
    })
    .on('REALPATH', (id, path) => {
      answer(id, async () => {
        const filename = await fs.realpath(at(path));
        sftp.name(id, [{ filename, longname: filename, attrs: attributes(await fs.stat(filename)) }]);
      });
    })
    .on('CLOSE', (id, handle) => {
      answer(id, async () => {
        const found = handles.get(handle.toString());
        handles.delete(handle.toString());
        if (found !== undefined && 'file' in found) await found.file.close();
        sftp.status(id, STATUS_CODE.OK);
      });
    })
    .on('end', () => {
      sftp.end(); // the client is done; it waits for our end
    })
    .on('close', () => {
      for (const each of handles.values()) if ('file' in each) void each.file.close();
      handles.clear();
    });
}

/** Seconds, as SFTP version 3 counts. */
function attributes({ mode, uid, gid, size, atimeMs, mtimeMs }: Stats): Attributes {
  return { mode, uid, gid, size, atime: Math.floor(atimeMs / 1000), mtime: Math.floor(mtimeMs / 1000) };
}
