//! Nodes that are filled in chunks while their tables change: whatever the kind of the node and of what it is filled from,
//! in the end it holds what its text gives.

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use super::keeping::Keeping;
use crate::{
    schema::fixture::rounds,
    store::tests::place::{Engine, engines},
};

/// Fills the views from some rows in chunks of few, with changes in between; then goes on with changes alone.
async fn is_exact(engine: Engine, seed: u64, views: &str) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut keeping = Keeping::of(engine, views).await;
    for _ in 0..40 {
        keeping.change(&mut random).await;
    }
    let size = random.random_range(1..4);
    while !keeping.fill(size).await {
        for _ in 0..random.random_range(0..3) {
            keeping.change(&mut random).await;
        }
    }
    for _ in 0..6 {
        for (view, kept, computed) in keeping.compared().await {
            assert_eq!(kept, computed, "{engine:?} SEED={seed} size {size}\n{view}");
        }
        keeping.change(&mut random).await;
    }
}

macro_rules! exact {
    ($($name:ident: $views:expr;)*) => { $(
        #[tokio::test]
        async fn $name() {
            for engine in engines(stringify!($name)) {
                for seed in rounds(4) {
                    is_exact(engine, seed, $views).await;
                }
            }
        }
    )* };
}

exact! {
    rows_by_text: "CREATE MATERIALIZED VIEW v AS SELECT title, pages FROM books WHERE pages > 0";
    rows_by_two_columns: "CREATE MATERIALIZED VIEW v AS SELECT days, fee FROM loans";
    rows_by_bytes: "CREATE MATERIALIZED VIEW v AS SELECT image, height FROM covers";
    joins: "CREATE MATERIALIZED VIEW v AS SELECT b.title, l.days, c.height FROM loans l JOIN books b ON b.book_id = l.book_id \
        JOIN covers c ON c.book_id = b.book_id";
    self_joins: "CREATE MATERIALIZED VIEW v AS SELECT a.title, b.title AS other FROM books a JOIN books b ON a.pages = b.pages";
    outer_joins: "CREATE MATERIALIZED VIEW v AS SELECT b.title, l.days, c.height FROM books b \
        LEFT JOIN loans l ON l.book_id = b.book_id LEFT JOIN covers c ON c.book_id = l.branch; \
        CREATE MATERIALIZED VIEW f AS SELECT b.title, l.days FROM books b FULL JOIN loans l ON l.book_id = b.book_id";
    rows_of_outer_rows: "CREATE MATERIALIZED VIEW v AS SELECT b.book_id, l.branch, l.number FROM books b \
        LEFT JOIN loans l ON l.book_id = b.book_id; \
        CREATE MATERIALIZED VIEW w AS SELECT v.book_id, v.number, r.name FROM v LEFT JOIN readers r ON r.reader_id = v.number; \
        CREATE MATERIALIZED VIEW x AS SELECT number, max(name) AS name, count(*) AS n FROM w GROUP BY number";
    partners: "CREATE MATERIALIZED VIEW v AS SELECT title FROM books b WHERE EXISTS \
        (SELECT 1 FROM loans l WHERE l.book_id = b.book_id AND l.days > b.pages) AND book_id NOT IN (SELECT book_id FROM covers)";
    no_partners: "CREATE MATERIALIZED VIEW v AS SELECT title FROM books WHERE genre NOT IN (SELECT book_id FROM covers WHERE height > 1); \
        CREATE MATERIALIZED VIEW w AS SELECT genre FROM books GROUP BY genre HAVING genre NOT IN \
        (SELECT c.book_id FROM covers c JOIN loans l ON l.number = c.height)";
    unions: "CREATE MATERIALIZED VIEW v AS SELECT book_id AS k FROM books UNION ALL SELECT branch FROM loans \
        UNION ALL SELECT name FROM readers UNION ALL SELECT book_id FROM covers; \
        CREATE MATERIALIZED VIEW w AS SELECT a.k, b.title FROM v a LEFT JOIN books b ON b.book_id = a.k; \
        CREATE MATERIALIZED VIEW x AS SELECT k, count(*) AS n FROM v GROUP BY k";
    groups_of_sums: "CREATE MATERIALIZED VIEW v AS SELECT b.genre, count(*) AS n, sum(l.fee) AS fees, avg(l.days) AS days, \
        bool_or(b.rare) AS rare FROM books b LEFT JOIN loans l ON l.book_id = b.book_id GROUP BY b.genre HAVING count(*) > 1";
    groups_of_lookups: "CREATE MATERIALIZED VIEW v AS SELECT genre, min(title) AS least, max(weight) AS most, sum(weight) AS total, \
        string_agg(title, ',' ORDER BY book_id) AS titles FROM books GROUP BY genre; \
        CREATE MATERIALIZED VIEW w AS SELECT b.genre, max(l.fee) AS fee FROM books b JOIN loans l ON l.book_id = b.book_id \
        GROUP BY b.genre; \
        CREATE MATERIALIZED VIEW x AS SELECT card, max(name) AS name FROM readers GROUP BY card";
    groups_of_numerics: "CREATE MATERIALIZED VIEW v AS SELECT pages / 2.0 AS half, sum(pages / 3.0) AS sum, avg(pages * 1.5) AS avg, \
        min(pages / 4.0) AS min FROM books GROUP BY 1; \
        CREATE MATERIALIZED VIEW w AS SELECT half, count(*) AS n FROM v GROUP BY half; \
        CREATE MATERIALIZED VIEW x AS SELECT a.half, b.half AS other FROM v a LEFT JOIN v b ON a.half = b.half * 2";
    groups_by_interval: "CREATE MATERIALIZED VIEW v AS SELECT taken - timestamptz '1970-01-01' AS since, count(*) AS n, max(days) AS days \
        FROM loans GROUP BY 1; \
        CREATE MATERIALIZED VIEW w AS SELECT v.since, v.n, l.days FROM v JOIN loans l ON l.taken - timestamptz '1970-01-01' = v.since";
    one_group: "CREATE MATERIALIZED VIEW v AS SELECT count(*) AS n, sum(fee) AS fees, max(days) AS days, \
        count(DISTINCT branch) AS branches FROM loans";
    different_values: "CREATE MATERIALIZED VIEW v AS SELECT genre, count(DISTINCT title) AS titles, sum(DISTINCT pages) AS pages, \
        avg(DISTINCT weight) AS weight FROM books GROUP BY genre; \
        CREATE MATERIALIZED VIEW w AS SELECT DISTINCT card, town FROM readers; \
        CREATE MATERIALIZED VIEW x AS SELECT genre FROM books UNION SELECT name FROM readers";
    windows: "CREATE MATERIALIZED VIEW v AS SELECT title, row_number() OVER (PARTITION BY genre ORDER BY pages, book_id) AS place, \
        sum(pages) OVER (PARTITION BY genre) AS total FROM books; \
        CREATE MATERIALIZED VIEW w AS SELECT number, rank() OVER (PARTITION BY days, fee ORDER BY taken) AS place FROM loans; \
        CREATE MATERIALIZED VIEW x AS SELECT name, dense_rank() OVER (PARTITION BY card ORDER BY town) AS place FROM readers; \
        CREATE MATERIALIZED VIEW y AS SELECT title, place FROM v WHERE place = 1";
    windows_of_joins: "CREATE MATERIALIZED VIEW v AS SELECT b.title, lag(l.days) OVER (PARTITION BY b.pages / 2.0 ORDER BY l.number, l.branch, b.book_id) \
        AS before FROM loans l LEFT JOIN books b ON b.book_id = l.book_id";
}
