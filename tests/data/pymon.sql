-- A file of pytest-monitor.
CREATE TABLE TEST_SESSIONS(SESSION_H varchar(64) primary key not null unique, RUN_DATE varchar(64), SCM_ID varchar(128),
 RUN_DESCRIPTION varchar(1024));
CREATE TABLE TEST_METRICS (SESSION_H varchar(64), ENV_H varchar(64), ITEM_START_TIME varchar(64), ITEM_PATH varchar(4096), ITEM varchar(2048),
 ITEM_VARIANT varchar(2048), ITEM_FS_LOC varchar(2048), KIND varchar(64), COMPONENT varchar(512) NULL, TOTAL_TIME float, USER_TIME float,
 KERNEL_TIME float, CPU_USAGE float, MEM_USAGE float);
CREATE TABLE EXECUTION_CONTEXTS (ENV_H varchar(64) primary key not null unique, CPU_COUNT integer, CPU_FREQUENCY_MHZ integer,
 CPU_TYPE varchar(64), CPU_VENDOR varchar(256), RAM_TOTAL_MB integer, MACHINE_NODE varchar(512), MACHINE_TYPE varchar(32),
 MACHINE_ARCH varchar(16), SYSTEM_INFO varchar(256), PYTHON_INFO varchar(512));
INSERT INTO EXECUTION_CONTEXTS VALUES ('c', 8, 2400.5, 'x86_64', 'Maker', 32000, 'ci-07', 'x86_64', '64bit', 'Linux - 6.1', '3.12.4');
INSERT INTO TEST_SESSIONS VALUES ('f00d', '2026-01-06T02:00:00', 'abc', '{"branch": "main"}');
INSERT INTO TEST_METRICS VALUES ('f00d', 'c', '2026-01-06T02:00:01', 'tests', 'test_a', 'test_a', 'tests/test_a.py', 'function', 'core',
 1.5, 1.25, 0.25, 1.0, 2.5);
