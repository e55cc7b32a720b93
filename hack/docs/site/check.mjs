// Ends the build where a page came out empty: vitepress prints what went wrong in one, and goes on.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const site = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..', 'build', 'docs-site')
const pages = readdirSync(site, { recursive: true }).filter((file) => file.endsWith('.html') && file !== '404.html')
const empty = pages.filter((file) => !/<h1[ >]/.test(readFileSync(join(site, file), 'utf8')))
if (pages.length < 50 || empty.length > 0) {
  console.error(`of ${pages.length} pages these have no text:\n  ${empty.join('\n  ')}`)
  process.exit(1)
}
