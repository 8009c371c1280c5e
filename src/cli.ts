/** Composition root of the command line: wires the rooms, decides nothing. */
process.stderr.write('clusterlift: no command is built in yet\n');
process.exitCode = 2;
