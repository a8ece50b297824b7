-- City and state together hold every character of the location but its commas and spaces.
SELECT id, location, city, state
  FROM public.warehouses
 WHERE regexp_replace(upper(location), '[\s,]', '', 'g')
       IS DISTINCT FROM regexp_replace(upper(concat(city, state)), '[\s,]', '', 'g')
