// Copies every page of the repository to .source, as the site wants them: README.md is the page of its folder, and a link
// to a file that is no page leads to the repository. The pages themselves stay as GitHub shows them. A link that leads nowhere
// ends the build. Files of tests are no pages.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const root = join(here, '..', '..', '..')
const out = join(here, '.source')
const repository = 'https://github.com/towpath-dev/towpath/blob/main/'

const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.md', ':!:*testdata/*'], { cwd: root, encoding: 'utf8' })
const pages = new Set(listed.split('\n').filter((path) => path && existsSync(join(root, path))))
const dead = []

// A page's name on the site.
const name = (page) => page.replace(/(^|\/)README\.md$/, '$1index.md')

function follow(page, link) {
  if (/^([a-z]+:|#)/.test(link)) return link
  const [path, anchor] = link.split('#', 2)
  let target = posix.normalize(posix.join(posix.dirname(page), path)).replace(/\/$/, '')
  if (pages.has(posix.join(target, 'README.md'))) target = posix.join(target, 'README.md')
  if (!existsSync(join(root, target))) {
    dead.push(`${page}: ${link}`)
    return link
  }
  if (!pages.has(target)) return repository + target
  const relative = posix.relative(posix.dirname(page), name(target))
  return (relative.startsWith('.') ? relative : './' + relative) + (anchor ? '#' + anchor : '')
}

rmSync(out, { recursive: true, force: true })
for (const page of pages) {
  let fenced = false
  const text = readFileSync(join(root, page), 'utf8').split('\n').map((line) => {
    if (/^\s*(```|~~~)/.test(line)) fenced = !fenced
    if (fenced) return line
    // What stands in code is no link, but a link's text may have code in it.
    return line.replace(/`[^`]*`|(\[(?:`[^`]*`|[^\]`])*\]\()([^)\s]+)(\))/g, (all, before, link, after) => (link ? before + follow(page, link) + after : all))
  })
  const file = join(out, name(page))
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text.join('\n'))
}
if (dead.length > 0) {
  console.error('links that lead nowhere:\n  ' + dead.join('\n  '))
  process.exit(1)
}
console.log(`${pages.size} pages`)
