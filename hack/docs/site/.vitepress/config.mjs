import { existsSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitepress'

const site = join(dirname(fileURLToPath(import.meta.url)), '..')
const build = join(site, '..', '..', '..', 'build')
const source = join(site, '.source')

// The anchors of GitHub, so that a link is right in both.
const slugify = (heading) => heading.trim().toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-')

// vitepress keeps Vue from what stands in a block of code, but not from code in a line, such as ${{ github.sha }}.
function plainCode(md) {
  const render = md.renderer.rules.code_inline
  md.renderer.rules.code_inline = (...args) => render(...args).replace('<code', '<code v-pre')
}

const runbooks = readdirSync(join(source, 'docs', 'runbooks'))
  .filter((file) => file !== 'index.md')
  .map((file) => file.replace(/\.md$/, ''))
  .sort()
  .map((reason) => ({ text: reason, link: `/docs/runbooks/${reason}` }))

const sidebar = [
  { text: 'Start', items: [{ text: 'Quick start', link: '/' }, { text: 'Concepts', link: '/docs/concepts' }, { text: 'Compared with others', link: '/docs/comparison' }] },
  {
    text: 'Developers',
    items: [
      { text: 'Run your first service', link: '/docs/guides/developer' },
      { text: 'Start from what runs', link: '/docs/guides/adopt' },
      { text: 'Previews', link: '/docs/guides/previews' },
      { text: 'Sleep', link: '/docs/guides/sleep' },
      { text: 'What it costs', link: '/docs/costs' },
      { text: 'Budgets', link: '/docs/guides/budgets' },
      { text: 'Alerts of budgets', link: '/docs/guides/alerts' },
      { text: 'From a push to a Build', link: '/docs/guides/sources' },
      { text: 'Components in Git', link: '/docs/guides/gitops' },
      { text: 'Golden paths', link: '/config/catalog/' },
    ],
  },
  {
    text: 'Platform engineers',
    items: [
      { text: 'Install', link: '/docs/guides/install' },
      { text: 'Write golden paths', link: '/docs/guides/platform-engineer' },
      { text: 'Monitoring', link: '/docs/guides/monitoring' },
      { text: 'Upgrade, and back', link: '/docs/upgrade' },
      { text: 'Pipelines', link: '/docs/guides/pipelines' },
      { text: 'Pipelines in GitHub Actions', link: '/docs/guides/pipelines-github' },
      { text: 'Only proven images', link: '/docs/guides/supply-chain' },
      { text: 'Promotion', link: '/docs/guides/promotion' },
      { text: 'Bills', link: '/docs/guides/bills' },
      { text: 'Showback', link: '/docs/guides/showback' },
      { text: 'Forecasts', link: '/docs/forecast' },
      { text: 'Delivery by Git', link: '/docs/gitops' },
      { text: 'Performance', link: '/docs/performance' },
      { text: 'Objectives', link: '/docs/slo' },
      { text: 'Faults', link: '/docs/faults' },
      { text: 'Real clusters', link: '/docs/end-to-end' },
    ],
  },
  {
    text: 'Security',
    items: [
      { text: 'Model', link: '/docs/security' },
      { text: 'Threats', link: '/docs/threat-model' },
      { text: 'Roles', link: '/docs/rbac' },
      { text: 'Dependencies', link: '/docs/dependencies' },
      { text: 'Releases', link: '/docs/release' },
      { text: 'Report a vulnerability', link: '/SECURITY' },
    ],
  },
  {
    text: 'References',
    items: [
      { text: 'API', link: '/docs/reference/api' },
      { text: 'The CLI', link: '/docs/cli' },
      { text: 'Commands', link: '/docs/reference/cli' },
      { text: 'Conditions', link: '/docs/conditions' },
    ],
  },
  { text: 'Runbooks', collapsed: true, link: '/docs/runbooks/', items: runbooks },
  { text: 'Contributors', items: [{ text: 'Architecture', link: '/docs/architecture' }, { text: 'Contributing', link: '/CONTRIBUTING' }, { text: 'Changes', link: '/CHANGELOG' }] },
]

// vitepress checks the links of pages, and not these.
for (const { text, link, items } of sidebar.flatMap((part) => [part, ...part.items])) {
  if (link && !existsSync(join(source, link.endsWith('/') ? link + 'index.md' : link + '.md'))) throw new Error(`${text} leads to ${link}, where nothing is`)
}

export default defineConfig({
  title: 'Towpath',
  description: 'Golden paths for Kubernetes: from an image to production, through environments.',
  srcDir: source,
  outDir: join(build, 'docs-site'),
  cacheDir: join(build, 'docs-cache'),
  lastUpdated: false,
  markdown: { anchor: { slugify }, config: plainCode },
  themeConfig: {
    search: { provider: 'local' },
    outline: [2, 3],
    nav: [
      { text: 'Quick start', link: '/' },
      { text: 'Concepts', link: '/docs/concepts' },
      { text: 'Runbooks', link: '/docs/runbooks/' },
      { text: 'API', link: '/docs/reference/api' },
    ],
    sidebar,
  },
})
