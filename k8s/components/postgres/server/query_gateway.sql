-- What the query gateway may not do for itself: the role as which statements of users run, and that it can call nothing which does
-- more than compute. The gateway looks at every start, and says what is missing.
CREATE ROLE query_gateway_query NOLOGIN;
GRANT query_gateway_query TO query_gateway;
SELECT format('REVOKE EXECUTE ON ROUTINE %s FROM PUBLIC; GRANT EXECUTE ON ROUTINE %1$s TO query_gateway', oid::regprocedure)
FROM pg_proc
WHERE pronamespace = 'pg_catalog'::regnamespace AND has_function_privilege('query_gateway_query', oid, 'EXECUTE')
    AND proname ~ '^(lo_.*|loread|lowrite|pg_(try_)?advisory_.*|pg_sleep.*|pg_notify|pg_logical_emit_message|pg_export_snapshot|set_config|pg_(terminate|cancel)_backend|txid_current|pg_current_xact_id|(query|cursor|table|schema|database)_to_xml.*|ts_stat|ts_rewrite)$'
\gexec
SELECT format('REVOKE USAGE ON LANGUAGE %I FROM PUBLIC; GRANT USAGE ON LANGUAGE %1$I TO query_gateway', lanname)
FROM pg_language WHERE lanispl AND lanpltrusted
\gexec
