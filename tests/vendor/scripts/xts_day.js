// A day with Symphony's own Node SDKs: `xts_day.js URL KEYS MARKET_KEYS`, keys as JSON. Prints what every step gave.
const path = require("path");
const sdks = require("module").createRequire(path.join(__dirname, "../../../.vendor-envs/xts-node/"));
const { Interactive } = sdks("xts-interactive-api");
const { XtsMarketDataAPI } = sdks("xts-marketdata-api");

const INFY = { exchangeSegment: "NSECM", exchangeInstrumentID: 1004 };
const ORDER = {
  ...INFY,
  productType: "CNC",
  orderType: "LIMIT",
  orderSide: "BUY",
  timeInForce: "DAY",
  disclosedQuantity: 0,
  orderQuantity: 10,
  stopPrice: 0,
  orderUniqueIdentifier: "od7f3k2m",
};

async function main() {
  const [url, keys, marketKeys] = process.argv.slice(2);
  const orders = new Interactive(url);
  orders.url = url; // the simulator leaves the path of the API off
  const market = new XtsMarketDataAPI(url);
  const day = {};
  day.login = await orders.logIn(JSON.parse(keys));
  day.market_login = await market.logIn(JSON.parse(marketKeys));
  day.master = await market.instrumentMaster({ exchangeSegmentList: ["NSECM"] });
  day.indices = await market.getIndexList({ exchangeSegment: 1 });
  const instruments = [{ exchangeSegment: 1, exchangeInstrumentID: 1004 }];
  day.quotes = await market.getQuotes({ instruments, xtsMessageCode: 1502, publishFormat: "JSON" });
  const price = JSON.parse(day.quotes.result.listQuotes[0]).Touchline.LastTradedPrice;
  const low = Math.round(price * 0.95);
  day.empty = await orders.getOrderBook();
  day.placed = await orders.placeOrder({ ...ORDER, limitPrice: low });
  const appOrderID = day.placed.result.AppOrderID;
  day.modified = await orders.modifyOrder({
    appOrderID,
    modifiedProductType: "CNC",
    modifiedOrderType: "LIMIT",
    modifiedOrderQuantity: 12,
    modifiedDisclosedQuantity: 0,
    modifiedLimitPrice: low - 1,
    modifiedStopPrice: 0,
    modifiedTimeInForce: "DAY",
    orderUniqueIdentifier: "od7f3k2m",
  });
  day.cancelled = await orders.cancelOrder({ appOrderID, orderUniqueIdentifier: "od7f3k2m" });
  day.history = await orders.getOrderHistory(appOrderID);
  day.bought = await orders.placeOrder({ ...ORDER, orderType: "MARKET", limitPrice: 0 });
  day.unknown = await orders.placeOrder({ ...ORDER, exchangeInstrumentID: 1, limitPrice: low });
  day.converted = await orders.positionConversion({
    ...INFY,
    targetQty: 4,
    isDayWise: true,
    oldProductType: "CNC",
    newProductType: "MIS",
  });
  day.orders = await orders.getOrderBook();
  day.trades = await orders.getTradeBook();
  day.positions = await orders.getPositions({ dayOrNet: "NetWise" });
  day.funds = await orders.getBalance();
  day.profile = await orders.getProfile();
  day.candles = await market.getOHLC({
    ...INFY,
    startTime: "Nov 24 2026 091500",
    endTime: "Nov 24 2026 153000",
    compressionValue: 300,
  });
  day.logout = await orders.logOut();
  day.after = await orders.getProfile();
  console.log(JSON.stringify(day));
}

main();
