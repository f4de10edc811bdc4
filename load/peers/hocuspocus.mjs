// Hocuspocus as its documentation starts it. PORT; STORAGE=<file> adds its SQLite extension.
import { SQLite } from '@hocuspocus/extension-sqlite'
import { Server } from '@hocuspocus/server'

const { PORT, STORAGE } = process.env
const extensions = STORAGE ? [new SQLite({ database: STORAGE })] : []
await new Server({ port: Number(PORT), address: '127.0.0.1', quiet: true, extensions }).listen()
