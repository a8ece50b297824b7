import { startPage } from "../../1.0.0/page/sections";
import { readAddress, reload, startStockList } from "./stockList";
import { loadWarehouses, startWarehouseList } from "./warehouseList";

startStockList();
startWarehouseList();
startPage({
  menuAddress: "/api/v2/menu",
  loadChoices: loadWarehouses,
  readAddress,
  loadStock: reload,
});
