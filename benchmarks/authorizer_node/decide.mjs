// One decision as a Node authorizer would make it: aws-jwt-verify, then a consistent Query with SDK v3.
// Reads the setup that benchmarks/authorizer.py wrote; prints CPU microseconds per decision as JSON.
import { readFileSync } from "node:fs";
import { CognitoJwtVerifier } from "aws-jwt-verify";
import { DynamoDBClient, QueryCommand } from "@aws-sdk/client-dynamodb";

const setup = JSON.parse(readFileSync(process.argv[2], "utf8"));
const verifier = CognitoJwtVerifier.create({
  userPoolId: setup.pool,
  clientId: setup.client,
  tokenUse: "access",
});
verifier.cacheJwks(JSON.parse(setup.jwks));
const client = new DynamoDBClient({
  region: "eu-west-1",
  endpoint: setup.endpoint,
  credentials: { accessKeyId: "test", secretAccessKey: "test" },
});

async function decide() {
  const claims = await verifier.verify(setup.token);
  const page = await client.send(
    new QueryCommand({
      TableName: "denylist",
      ConsistentRead: true,
      KeyConditionExpression: "principal = :p",
      ExpressionAttributeValues: { ":p": { S: `${setup.pool}#${claims.sub}` } },
    }),
  );
  return page.Items.length === 0;
}

async function measure(rounds) {
  const start = process.cpuUsage();
  for (let round = 0; round < rounds; round += 1) {
    if (!(await decide())) throw new Error("refused");
  }
  const used = process.cpuUsage(start);
  return (used.user + used.system) / rounds;
}

const early = await measure(setup.early);
await measure(setup.warm_up);
const warm = await measure(setup.decisions);
console.log(JSON.stringify({ early, warm }));
process.exit(0);
