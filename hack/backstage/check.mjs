// Holds files of entities to Backstage's own rules: node check.mjs FILE...
import { readFileSync } from 'node:fs';
import { parseAllDocuments } from 'yaml';
import {
  DefaultNamespaceEntityPolicy, EntityPolicies, FieldFormatEntityPolicy, NoForeignRootFieldsEntityPolicy, SchemaValidEntityPolicy,
  componentEntityV1alpha1Validator, groupEntityV1alpha1Validator, locationEntityV1alpha1Validator, parseEntityRef,
  resourceEntityV1alpha1Validator, stringifyEntityRef, systemEntityV1alpha1Validator, userEntityV1alpha1Validator,
} from '@backstage/catalog-model';

const policy = EntityPolicies.allOf([
  new SchemaValidEntityPolicy(), new DefaultNamespaceEntityPolicy(), new NoForeignRootFieldsEntityPolicy(), new FieldFormatEntityPolicy(),
]);
const validators = {
  Component: componentEntityV1alpha1Validator, Group: groupEntityV1alpha1Validator, Location: locationEntityV1alpha1Validator,
  Resource: resourceEntityV1alpha1Validator, System: systemEntityV1alpha1Validator, User: userEntityV1alpha1Validator,
};

let checked = 0;
let wrong = 0;
const seen = new Set();
for (const file of process.argv.slice(2)) {
  for (const document of parseAllDocuments(readFileSync(file, 'utf8'))) {
    const entity = document.toJS();
    const name = `${file}: ${entity?.kind} ${entity?.metadata?.name}`;
    try {
      await policy.enforce(entity);
      if (!(await validators[entity.kind].check(entity))) {
        throw new Error(`no ${entity.kind} of ${entity.apiVersion}`);
      }
      const spec = entity.spec;
      for (const ref of [spec.owner, spec.system, ...(spec.dependsOn ?? []), ...(spec.memberOf ?? [])].filter(Boolean)) {
        parseEntityRef(ref);
      }
      const ref = stringifyEntityRef(entity);
      if (seen.has(ref)) {
        throw new Error(`${ref} stands twice`);
      }
      seen.add(ref);
      checked++;
    } catch (error) {
      wrong++;
      console.error(`${name}: ${error.message}`);
    }
  }
}
console.log(`${checked} entities are in order, ${wrong} are not`);
process.exit(wrong > 0 || checked === 0 ? 1 : 0);
