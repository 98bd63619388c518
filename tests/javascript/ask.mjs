// Asks the endpoint of AWS_ENDPOINT_URL with AWS's own clients: questions come as JSON, and answers go as JSON.
import { readFileSync } from "node:fs";
import * as sdk from "@aws-sdk/client-verifiedpermissions";
import { AVPAuthorizationEngine } from "@verifiedpermissions/authorization-clients-js";

const client = new sdk.VerifiedPermissionsClient({});

async function ask(question) {
  if (question.callType) {
    const engine = new AVPAuthorizationEngine(question);
    return engine.isAuthorized(question.request, question.entities);
  }
  try {
    const { $metadata, ...answer } = await client.send(new sdk[`${question.operation}Command`](question.input));
    return answer;
  } catch (error) {
    return { error: error.name, fieldList: error.fieldList };
  }
}

const answers = [];
for (const question of JSON.parse(readFileSync(0, "utf8"))) {
  answers.push(await ask(question));
}
console.log(JSON.stringify(answers));
