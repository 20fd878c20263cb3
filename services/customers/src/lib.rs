//! The customers service of the shop.
