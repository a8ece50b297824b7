-- Generated data for BBQ Bookkeeper 1.0.0: the same bytes for the same settings on every PostgreSQL.
--
--   SELECT set_config('sample.rows', '100000', true);   how many inventory rows, 0 to 5,000,000
--   SELECT set_config('sample.seed', '1', true);        any text
--
-- Run it in the transaction that holds the settings. It does nothing where one of the tables has a
-- row already. Numbers come from md5 of seed and row, never from random(), and no value depends on
-- the day. Phone numbers (555-01xx) and domains (example.*) are reserved for fiction.

DO $sample$
DECLARE
  rows constant integer := current_setting('sample.rows');
  seed constant text := current_setting('sample.seed');

  dishes constant text[] := ARRAY[
    'Brisket plate', 'Burnt ends', 'Pulled pork sandwich', 'St. Louis ribs, half rack',
    'St. Louis ribs, full rack', 'Baby back ribs', 'Smoked turkey breast', 'Jalapeño-cheddar links',
    'Hot links', 'Smoked half chicken', 'Brisket tacos', 'Pitmaster''s platter for four',
    'Mac & cheese', 'Baked beans', 'Collard greens', 'Coleslaw', 'Potato salad', 'Cornbread',
    'Fried okra', 'Mexican street corn', 'Peach cobbler', 'Banana pudding', 'Pecan pie',
    'Sweet tea', 'Lemonade', 'Piña colada slush'];

  -- As people wrote them over the years: two Bostons, spellings and spaces that make another
  -- warehouse of the same town, no state, no ASCII, apostrophes, a very long name.
  locations constant text[] := ARRAY[
    'Boston, MA', 'Boston , GA', 'St. Louis, MO', 'Memphis, TN', 'Kansas City, MO', 'Kansas City, KS',
    'Austin', 'Lockhart, TX', 'Salt Lake City, UT', 'Lexington, NC', 'Lexington, KY', 'Nashville',
    'St. Louis , MO', 'St Louis, MO', 'Saint Louis, MO', 'St.Louis,MO', '  Tulsa, OK', 'Omaha, NE  ',
    'Coeur d''Alene, ID', 'Cañon City, CO', 'Española, NM', 'Winston-Salem, NC', 'fayetteville, ar',
    'Fayetteville, NC', 'Portland, OR', 'Portland, ME', 'Columbus , OH', 'Columbus, GA', 'Springfield, IL',
    'Springfield,MO', 'Springfield', 'Charleston, SC', 'Charleston, WV', 'Truth or Consequences, NM',
    'O''Fallon, MO', 'Lee''s Summit, MO', 'La Cañada Flintridge, CA', 'Peñasco, NM', 'Houston, TX',
    'Dallas, TX', 'Fort Worth  ,  TX', 'San Antonio, TX', 'El Paso, TX', 'Llano, TX', 'Taylor, TX',
    'Birmingham, AL', 'Decatur, AL', 'Decatur, GA', 'Tuscaloosa, AL', 'Mobile, AL', 'Little Rock, AR',
    'Jonesboro, AR', 'Phoenix, AZ', 'Tucson, AZ', 'Oakland, CA', 'Santa María, CA', 'Denver, CO',
    'Pueblo, CO', 'Washington', 'Tampa, FL', 'Pensacola, FL', 'Atlanta, GA', 'Macon , GA', 'Savannah, GA',
    'Athens, GA', 'Athens, OH', 'Chicago, IL', 'Gary, IN', 'Wichita, KS', 'Owensboro, KY',
    'Louisville, KY', 'New Orleans, LA', 'Baton Rouge , LA', 'Shreveport, LA', 'Baltimore, MD',
    'Detroit, MI', 'Minneapolis, MN', 'Jackson, MS', 'Jackson , TN', 'Tupelo, MS', 'Lincoln, NE',
    'Las Vegas, NV', 'Las Vegas , NM', 'Albuquerque, NM', 'Asheville, NC', 'Ayden, NC', 'Raleigh, NC',
    'Charlotte, NC', 'Cleveland, OH', 'Oklahoma City, OK', 'Knoxville, TN', 'Chattanooga, TN',
    'Richmond, VA', 'Seattle, WA', 'Milwaukee, WI',
    'Webster by Lake Chargoggagoggmanchauggagoggchaubunagungamaugg, old ice house behind the freight depot, MA'];

  products constant text[] := ARRAY[
    'Whole packer brisket', 'Brisket flat', 'Pork shoulder', 'Boston butt', 'St. Louis spare ribs',
    'Baby back ribs', 'Beef short ribs', 'Turkey breast', 'Whole chicken', 'Chicken thighs',
    'Hot links', 'Jalapeño-cheddar sausage', 'Andouille', 'Pork belly', 'Tri-tip', 'Burnt ends',
    'Smoked ham', 'Lamb shoulder', 'Entrecôte', 'Bratwürste', 'Kansas City sauce', 'Carolina mustard sauce',
    'Alabama white sauce', 'Piña colada glaze', 'Vinegar mop', 'Chef''s rub', 'Pitmaster''s rub',
    'Café de olla rub', 'Kosher salt', 'Cracked black pepper', 'Smoked paprika', 'Ancho chile powder',
    'Brown sugar', 'Molasses', 'Apple cider vinegar', 'Yellow mustard', 'Crème fraîche', 'Gruyère',
    'Pickle chips', 'Pickled red onions', 'Jalapeños', 'Coleslaw mix', 'Collard greens', 'Baked beans',
    'Potato rolls', 'Texas toast', 'Cornmeal', 'Elbow macaroni', 'Sharp cheddar', 'Sweet tea',
    'Peaches', 'Pecans', 'Vanilla wafers', 'Hickory chunks', 'Post oak splits', 'Mesquite chips',
    'Cherry wood', 'Lump charcoal', 'Butcher paper', 'Foil pans', 'To-go boxes', 'Paper boats',
    'Nitrile gloves', 'Instant-read thermometer', 'Boning knife', 'Chef''s knife', 'Sauce bottles',
    '焼肉 sauce'];
  -- Prices in cents, by product.
  prices constant integer[] := ARRAY[
    7899, 5450, 2899, 2650, 3299, 2799, 6499, 3150, 899, 1299, 1575, 1850, 1725, 3999, 4850, 4499, 3675, 5999,
    8950, 1450, 499, 525, 575, 699, 450, 1250, 1395, 1425, 299, 899, 750, 825, 275, 599, 425, 315, 549, 1675,
    650, 575, 399, 350, 275, 425, 495, 450, 325, 250, 1150, 399, 550, 1899, 425, 1450, 1999, 1250, 1575, 2150,
    3899, 1850, 2450, 1275, 1595, 4599, 3450, 8999, 225, 875];
  packs constant text[] := ARRAY[
    '', '', '', '', ', case of 4', ', case of 12', ', case of 24', ', 2-pack', ', small', ', large', ', bulk', ', sample'];
  reserved constant text :=
    ', held for the annual Memorial Day cook-off at the county fairgrounds, not to be opened before the last Friday of May';

  first_names constant text[] := ARRAY[
    'Ada', 'Bobby', 'Carmen', 'Darnell', 'Eileen', 'Franklin', 'Gwen', 'Hassan', 'Inés', 'José', 'Kendra', 'Lester',
    'Mai', 'Nolan', 'Odessa', 'Priya', 'Quentin', 'Renée', 'Shonda', 'Tyrone', 'Ursula', 'Vernon', 'Wanda', 'Zoë'];
  last_names constant text[] := ARRAY[
    'Abbott', 'Boudreaux', 'Castañeda', 'Dawson', 'Ellison', 'Fontenot', 'García', 'Hightower', 'Ito', 'Jackson',
    'Kowalski', 'Lockhart', 'McBride', 'Núñez', 'O''Neill', 'Pruitt', 'Quarles', 'Ramirez', 'Sutton', 'Thibodeaux',
    'Underwood', 'Vance', 'Whitaker', 'Young'];
  domains constant text[] := ARRAY['example.com', 'example.org', 'example.net'];
  places constant integer := cardinality(locations);
BEGIN
  IF rows NOT BETWEEN 0 AND 5000000 THEN
    RAISE EXCEPTION 'sample.rows is %, and must be from 0 to 5000000', rows;
  END IF;
  LOCK TABLE public.menu, public.warehouses, public.inventory IN SHARE ROW EXCLUSIVE MODE;
  IF EXISTS (SELECT FROM public.menu) OR EXISTS (SELECT FROM public.warehouses)
     OR EXISTS (SELECT FROM public.inventory) THEN
    RAISE NOTICE 'there is data already: nothing was generated';
    RETURN;
  END IF;

  INSERT INTO public.menu (item) SELECT dish FROM unnest(dishes) WITH ORDINALITY AS d(dish, n) ORDER BY n;

  INSERT INTO public.warehouses (location, contact_name, contact_email, contact_phone)
  SELECT location,
    CASE WHEN n % 17 <> 0 THEN first || ' ' || last END,
    CASE WHEN n % 11 <> 0 THEN
      translate(lower(first || '.' || last), 'áéíóúñëÁÉÍÓÚÑË''', 'aeiouneaeioune')
        || '@' || domains[1 + (h >> 20) % 3] END,
    CASE WHEN n % 13 <> 0 THEN
      format('+1 %s 555-01%s', 201 + (h >> 4) % 780, lpad(((h >> 9) % 100)::text, 2, '0')) END
  FROM unnest(locations) WITH ORDINALITY AS l(location, n),
    LATERAL (SELECT ('x' || left(md5(seed || ' warehouse ' || n), 7))::bit(28)::integer) AS a(h),
    LATERAL (SELECT first_names[1 + h % 24], last_names[1 + (h / 24) % 24]) AS p(first, last)
  ORDER BY n;

  -- Most stock lies in the warehouses named first. Every 997th row has a very long name, every 499th
  -- a very big price. Every 40th takes its product in turn, so that few rows hold all products too.
  INSERT INTO public.inventory (name, quantity, unit_price, warehouse_name, date_added)
  SELECT
    products[product] || packs[1 + b % 12]
      || CASE WHEN n % 997 = 5 THEN reserved ELSE '' END,
    CASE WHEN b % 19 = 3 THEN 0 WHEN n % 211 = 7 THEN 10000 + c % 900000 ELSE 1 + c % 240 END,
    CASE WHEN b % 31 = 11 THEN NULL
         WHEN n % 499 = 9 THEN (100000000 + c % 900000000) / 100.0
         ELSE (prices[product] * (80 + c % 51) / 100) / 100.0 END,
    locations[1 + (a % places) * (b % places) / places],
    date '2024-11-15' - (c / 240 % 1100)
  FROM generate_series(1, rows) AS n,
    LATERAL (SELECT md5(seed || ' item ' || n)) AS m(h),
    LATERAL (SELECT ('x' || substr(h, 1, 7))::bit(28)::integer,
                    ('x' || substr(h, 8, 7))::bit(28)::integer,
                    ('x' || substr(h, 15, 7))::bit(28)::integer) AS d(a, b, c),
    LATERAL (SELECT 1 + (CASE WHEN n % 40 = 0 THEN n / 40 ELSE a / places END) % cardinality(products)) AS p(product);
END
$sample$;
