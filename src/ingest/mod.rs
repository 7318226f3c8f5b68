//! The MQTT side: one persistent session per region role, which hands messages over and acknowledges them only once they
//! are on disk. Stores nothing and judges nothing.

pub mod resume;

pub mod gather;

pub mod connection;

pub mod takeover;

pub mod line;

pub mod window;

pub mod ack;

pub mod farewell;

pub mod session;

pub mod guest;

pub mod examine;
