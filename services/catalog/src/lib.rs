//! The catalog service of the shop.
