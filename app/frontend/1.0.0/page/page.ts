import { startPage } from "./sections";
import { readAddress, reload, startStockList } from "./stockList";
import { loadWarehouses, startWarehouseList } from "./warehouseList";

startStockList();
startWarehouseList();
startPage({
  menuAddress: "/api/menu",
  loadChoices: loadWarehouses,
  readAddress,
  loadStock: reload,
});
