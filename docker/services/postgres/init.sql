-- The bank of the demo. The user is a superuser because it creates the publication and the slot.
CREATE ROLE dbz SUPERUSER LOGIN PASSWORD 'dbz';
CREATE TABLE bank_transactions (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id  bigint         NOT NULL,
    amount      numeric(12, 2) NOT NULL,
    description text,
    created_at  timestamptz    NOT NULL DEFAULT now()
);
ALTER TABLE bank_transactions REPLICA IDENTITY FULL;
INSERT INTO bank_transactions (account_id, amount, description)
SELECT 1 + n % 100, (n * 37 % 100000) / 100.0, 'opening ' || n FROM generate_series(1, 1000) AS n;
