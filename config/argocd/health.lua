-- The health of Towpath's objects in Argo CD: Ready=True is Healthy, Stalled=True is Degraded, anything else is Progressing, as
-- kstatus has it. Argo CD gives the object as obj, and no library of strings.
--
-- A Component that waits for a person is Healthy, and its message says what it waits for: a sync wave, and argocd app wait, go
-- on with nothing but Healthy, and must not hang on somebody's decision. The Release that waits is Suspended. It is no part of an
-- Application, but shows below the Component.
local health = {status = "Progressing", message = "the manager of Towpath has not seen it yet"}

if obj.metadata ~= nil and obj.metadata.deletionTimestamp ~= nil then
  health.message = "it is being deleted"
  return health
end
if obj.status == nil or obj.status.conditions == nil then
  return health
end
local observed, generation = obj.status.observedGeneration, obj.metadata.generation
if observed ~= nil and generation ~= nil and observed < generation then
  health.message = "the manager of Towpath has not seen its newest spec yet"
  return health
end

local conditions = {}
for _, condition in ipairs(obj.status.conditions) do
  conditions[condition.type] = condition
end

local function told(condition)
  if condition.message ~= nil and condition.message ~= "" then
    return condition.reason .. ": " .. condition.message
  end
  return condition.reason
end

local ready, stalled, promoted = conditions.Ready, conditions.Stalled, conditions.Promoted
if stalled ~= nil and stalled.status == "True" then
  health.status, health.message = "Degraded", told(stalled)
elseif ready == nil then
  health.message = "the manager of Towpath has not said yet how it is"
elseif ready.status == "True" then
  health.status, health.message = "Healthy", told(ready)
  if promoted ~= nil and promoted.status ~= "True" then
    health.message = health.message .. "; the next version waits: " .. told(promoted)
  end
else
  health.message = told(ready)
  local forPeople = {WaitingForApproval = true, WaitingForPromotion = true, WaitingForSpendingApproval = true}
  if obj.kind == "Release" and forPeople[ready.reason] then
    health.status = "Suspended"
  end
end
return health
