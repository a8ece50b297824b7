-- Each item is in the warehouse that its name says, to the byte.
SELECT inventory.id, inventory.warehouse_name, inventory.warehouse_id, warehouses.location
  FROM public.inventory
  LEFT JOIN public.warehouses ON warehouses.id = inventory.warehouse_id
 WHERE warehouses.location IS DISTINCT FROM inventory.warehouse_name
