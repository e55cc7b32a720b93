// Asks DuckDB what the files of a folder say: node ask.mjs FOLDER. It prints, for CSV and for Parquet, what each team cost, what
// the ratios of each origin charge sum to, and how many remainders there are; amounts as decimals, never as floats.
import { DuckDBInstance } from '@duckdb/node-api'
import path from 'node:path'

const folder = process.argv[2]
// CSV has no types: without them, DuckDB takes amounts for floats.
const amounts = ['BilledCost', 'EffectiveCost', 'ListCost', 'ContractedCost']
const types = amounts.map(name => `'${name}': 'DECIMAL(38,12)'`).join(', ')
const formats = {
  csv: file => `read_csv(${file}, header = true, types = {${types}})`,
  parquet: file => `read_parquet(${file})`,
}

const connection = await (await DuckDBInstance.create(':memory:')).connect()
const rows = async query => (await connection.runAndReadAll(query)).getRowsJson()

const answers = {}
for (const [format, read] of Object.entries(formats)) {
  const costs = read(`'${path.join(folder, `*.${format}`).replaceAll("'", "''")}'`)
  answers[format] = {
    columns: (await rows(`DESCRIBE SELECT * FROM ${costs}`)).map(([name, type]) => `${name} ${type}`),
    teams: await rows(`
      SELECT coalesce(SubAccountId, ''), coalesce(json_extract_string(Tags, '$."platform.towpath.dev/team"'), ''), BillingCurrency,
             sum(BilledCost)::VARCHAR, sum(EffectiveCost)::VARCHAR, count(*)::VARCHAR
      FROM ${costs} GROUP BY ALL ORDER BY ALL`),
    // Each origin charge whose parts do not make a whole.
    broken: await rows(`
      SELECT ResourceId, sum(json_extract(AllocatedMethodDetails, '$.Elements[0].AllocatedRatio')::DECIMAL(20, 12))::VARCHAR AS ratio,
             count(*) FILTER (AllocatedResourceId IS NULL) AS remainders
      FROM ${costs} GROUP BY ResourceId HAVING ratio::DECIMAL(20, 12) <> 1 OR remainders > 1`),
    origins: (await rows(`SELECT count(DISTINCT ResourceId)::VARCHAR, count(*) FILTER (AllocatedResourceId IS NULL)::VARCHAR FROM ${costs}`))[0],
    days: (await rows(`SELECT min(ChargePeriodStart)::TIMESTAMPTZ = '2026-10-01T00:00:00Z'::TIMESTAMPTZ AND max(ChargePeriodEnd)::TIMESTAMPTZ = '2026-11-01T00:00:00Z'::TIMESTAMPTZ FROM ${costs}`))[0][0],
  }
}
console.log(JSON.stringify(answers))
