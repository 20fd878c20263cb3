-- Run once, when a cluster is made: the owner and its database, in which nobody else has anything to look for.
\getenv owner OWNER
\getenv password OWNER_PASSWORD
CREATE ROLE :"owner" LOGIN PASSWORD :'password';
CREATE DATABASE :"owner" OWNER :"owner";
REVOKE ALL ON DATABASE :"owner", postgres FROM PUBLIC;
