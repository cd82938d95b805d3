// Makes the calls it is given with Symphony's own Node SDKs: `xts_calls.js URL`, calls as JSON on standard input.
//
// A call is `{"name", "call", "arguments"}`; of the market-data SDK where `call` begins with `market.`. What the other side answers is
// of no interest here: it records what was sent.
const path = require("path");
const sdks = require("module").createRequire(path.join(__dirname, "../../../.vendor-envs/xts-node/"));
const { Interactive } = sdks("xts-interactive-api");
const { XtsMarketDataAPI } = sdks("xts-marketdata-api");

async function main() {
  const url = process.argv[2];
  const interactive = new Interactive(url);
  const market = new XtsMarketDataAPI(url + "/apimarketdata");
  for (const sdk of [interactive, market]) {
    sdk.token = "token0";
    sdk.isLoggedIn = true;
  }
  const calls = JSON.parse(require("fs").readFileSync(0, "utf-8"));
  for (const one of calls) {
    const [sdk, name] = one.call.startsWith("market.") ? [market, one.call.slice(7)] : [interactive, one.call];
    await sdk[name](...one.arguments["*"]);
  }
}

main();
