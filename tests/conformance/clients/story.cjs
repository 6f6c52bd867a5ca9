// What the JavaScript client does, unmodified: node story.cjs SERVER TOKEN USER
const assert = require("node:assert");
const { api } = require("@pagerduty/pdjs");

const [server, token, user] = process.argv.slice(2);
const pd = api({ server, token });
const From = "ann@example.com";

async function story() {
  const abilities = await pd.get("/abilities");
  assert.ok(abilities.data.abilities.includes("teams"));
  // Offset pagination by the client's own next(); its all() finds resources on *.com only.
  let page = await pd.get("/users", { data: { limit: "50" } });
  let names = page.data.users.map((one) => one.name);
  while (page.next) {
    page = await page.next();
    names = names.concat(page.data.users.map((one) => one.name));
  }
  assert.strictEqual(names.length, 122);
  assert.strictEqual(new Set(names).size, 122);

  const team = (await pd.post("/teams", { data: { team: { type: "team", name: "Core" } } })).data.team;
  const renamed = await pd.put(`/teams/${team.id}`, { data: { team: { name: "Kernel" } } });
  assert.strictEqual(renamed.data.team.name, "Kernel");
  // What the server calls itself leads back to it.
  const again = await pd({ method: "get", url: renamed.data.team.self });
  assert.strictEqual(again.data.team.name, "Kernel");

  const policy = (
    await pd.post("/escalation_policies", {
      headers: { From },
      data: {
        escalation_policy: {
          name: "Ops",
          escalation_rules: [
            { escalation_delay_in_minutes: 5, targets: [{ id: user, type: "user_reference" }] },
          ],
        },
      },
    })
  ).data.escalation_policy;
  const service = (
    await pd.post("/services", {
      data: {
        service: {
          name: "Shop",
          escalation_policy: { id: policy.id, type: "escalation_policy_reference" },
        },
      },
    })
  ).data.service;
  const incident = (
    await pd.post("/incidents", {
      headers: { From },
      data: {
        incident: {
          type: "incident",
          title: "Slow",
          service: { id: service.id, type: "service_reference" },
        },
      },
    })
  ).data.incident;
  const open = await pd.get("/incidents", { queryParameters: { "statuses[]": "triggered" } });
  assert.deepStrictEqual(open.data.incidents.map((one) => one.id), [incident.id]);
  const taken = await pd.put(`/incidents/${incident.id}`, {
    headers: { From },
    data: { incident: { type: "incident_reference", status: "acknowledged" } },
  });
  assert.strictEqual(taken.data.incident.status, "acknowledged");
  const missing = await pd.get("/users/PNOBODY");
  assert.strictEqual(missing.response.status, 404);
  assert.strictEqual(missing.data.error.code, 2100);
  assert.strictEqual((await pd.delete(`/teams/${team.id}`)).response.status, 204);
  console.log("done");
}

story().catch((error) => {
  console.error(error);
  process.exit(1);
});
