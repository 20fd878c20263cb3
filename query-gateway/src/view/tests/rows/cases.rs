//! Constructs, each with what a row of it follows from.

/// One construct: a SELECT, a key of one of its rows, and what that follows from.
pub(super) type Case = (&'static str, &'static [(&'static str, Option<&'static str>)], &'static str);

/// Over the books and loans of the tests; a key may find more than one row.
pub(super) const CASES: &[Case] = &[
    // Filters and projections.
    ("SELECT id, pages * 2 AS twice FROM books WHERE pages > 60", &[("id", Some("2"))], "b2"),
    ("SELECT id, pages * 2 AS twice FROM books WHERE pages > 60", &[("twice", Some("600"))], "b3"),
    ("SELECT shelf FROM books", &[("shelf", Some("s1"))], "b1 b2"),
    // Joins.
    ("SELECT l.id, b.shelf FROM loans l JOIN books b ON b.id = l.book", &[("id", Some("2"))], "b1 l2"),
    (
        "SELECT a.id AS a, b.id AS b FROM books a JOIN books b ON a.shelf = b.shelf AND a.id < b.id",
        &[("a", Some("1"))],
        "b1 b2",
    ),
    ("SELECT l.id, b.shelf FROM loans l LEFT JOIN books b ON b.id = l.book", &[("id", Some("3"))], "b3 l3"),
    ("SELECT l.id, b.shelf FROM loans l LEFT JOIN books b ON b.id = l.book", &[("shelf", None)], "l4"),
    (
        "SELECT b.id, l.id AS loan FROM loans l RIGHT JOIN books b ON b.id = l.book",
        &[("id", Some("2"))],
        "b2",
    ),
    (
        "SELECT b.id, l.id AS loan FROM loans l FULL JOIN books b ON b.id = l.book",
        &[("loan", Some("4"))],
        "l4",
    ),
    (
        "SELECT b.id, l.id AS loan FROM loans l FULL JOIN books b ON b.id = l.book",
        &[("id", Some("1"))],
        "b1 l1 l2",
    ),
    // Whether there is a partner.
    (
        "SELECT id FROM books b WHERE EXISTS (SELECT 1 FROM loans l WHERE l.book = b.id)",
        &[("id", Some("1"))],
        "b1 l1 l2",
    ),
    (
        "SELECT id FROM books WHERE id IN (SELECT book FROM loans WHERE days < 10)",
        &[("id", Some("1"))],
        "b1 l1",
    ),
    (
        "SELECT id FROM books b WHERE NOT EXISTS (SELECT 1 FROM loans l WHERE l.book = b.id)",
        &[("id", Some("4"))],
        "b4",
    ),
    // Groups.
    ("SELECT shelf, SUM(pages) AS pages FROM books GROUP BY shelf", &[("shelf", Some("s1"))], "b1 b2"),
    (
        "SELECT shelf, MIN(pages) AS least, AVG(pages) AS mean FROM books GROUP BY shelf",
        &[("shelf", Some("s2"))],
        "b3 b4",
    ),
    (
        "SELECT book, COUNT(DISTINCT days) AS n, MAX(days) AS most FROM loans GROUP BY book",
        &[("book", Some("1"))],
        "l1 l2",
    ),
    ("SELECT book, COUNT(*) AS n FROM loans GROUP BY book HAVING COUNT(*) > 1", &[("n", Some("2"))], "l1 l2"),
    (
        "SELECT COUNT(*) AS n, string_agg(shelf, ',' ORDER BY id) AS all_of FROM books WHERE pages < 250",
        &[],
        "b1 b2 b4",
    ),
    (
        "SELECT b.shelf, SUM(l.days) AS days FROM loans l JOIN books b ON b.id = l.book GROUP BY b.shelf",
        &[("shelf", Some("s1"))],
        "b1 l1 l2",
    ),
    (
        "SELECT b.shelf, MAX(l.days) AS days FROM loans l JOIN books b ON b.id = l.book GROUP BY b.shelf",
        &[("shelf", Some("s2"))],
        "b3 l3",
    ),
    ("SELECT DISTINCT days FROM loans", &[("days", Some("7"))], "l1 l3"),
    // Queries within.
    (
        "SELECT b.id, s.days FROM books b JOIN (SELECT book, SUM(days) AS days FROM loans GROUP BY book) s ON s.book = b.id",
        &[("id", Some("1"))],
        "b1 l1 l2",
    ),
    (
        "SELECT b.id, s.days FROM books b LEFT JOIN (SELECT book, SUM(days) AS days FROM loans GROUP BY book) s ON s.book = b.id",
        &[("id", Some("4"))],
        "b4",
    ),
    (
        "WITH s AS (SELECT shelf, COUNT(*) AS n FROM books GROUP BY shelf) SELECT b.id, s.n FROM books b JOIN s ON s.shelf = b.shelf",
        &[("id", Some("3"))],
        "b3 b4",
    ),
    // Unions.
    (
        "SELECT id, 'book' AS kind FROM books UNION ALL SELECT id, 'loan' FROM loans",
        &[("id", Some("2"))],
        "b2 l2",
    ),
    (
        "SELECT id, 'book' AS kind FROM books UNION ALL SELECT id, 'loan' FROM loans",
        &[("id", Some("2")), ("kind", Some("loan"))],
        "l2",
    ),
    ("SELECT id FROM books UNION SELECT book FROM loans", &[("id", Some("3"))], "b3 l3"),
    // Windows.
    (
        "SELECT id, RANK() OVER (PARTITION BY shelf ORDER BY pages) AS place FROM books",
        &[("id", Some("4"))],
        "b3 b4",
    ),
    (
        "SELECT l.id, COUNT(*) OVER (PARTITION BY b.shelf) AS n FROM loans l JOIN books b ON b.id = l.book",
        &[("id", Some("1"))],
        "b1 l1 l2",
    ),
];
