// Has GitHub's own parser read workflows, and says what it does not like: node check.mjs FILE...
import {readFileSync} from 'node:fs'
import {register} from 'node:module'

// The package imports its schema in a way that Node.js 20 refuses.
register('./json.mjs', import.meta.url)
const {parseWorkflow, NoOperationTraceWriter, convertWorkflowTemplate} = await import('@actions/workflow-parser')

let wrong = 0
for (const name of process.argv.slice(2)) {
  const result = parseWorkflow({name, content: readFileSync(name, 'utf8')}, new NoOperationTraceWriter())
  const template = result.value && await convertWorkflowTemplate(result.context, result.value)
  const messages = [...result.context.errors.getErrors().map(e => e.message), ...(template?.errors ?? []).map(e => e.Message)]
  for (const message of new Set(messages)) {
    console.error(message)
    wrong++
  }
  if (!template?.jobs?.length) {
    console.error(`${name}: no jobs`)
    wrong++
  }
}
process.exit(wrong ? 1 : 0)
