//! The one integration binary; each file is one door or one room of the house.

mod http;

mod metrics;

mod seed;
