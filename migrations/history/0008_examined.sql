-- What the conditions said of a message; missing for the many that none concerned.
ALTER TABLE messages ADD COLUMN examined TEXT;
