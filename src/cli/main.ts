#!/usr/bin/env node
/**
 * The `prerank` command: parses, runs one command, exits with 0, 1, 2 or 130. Commands import what they need only when
 * they run, so that help and usage errors come at once.
 */
import { Command, CommanderError } from 'commander';
import { version } from '../version.js';
import { abCommand } from './ab.js';
import { benchCommand } from './bench.js';
import { compareCommand } from './compare.js';
import { doctorCommand } from './doctor.js';
import { evaluateCommand } from './evaluate.js';
import { experimentCommand } from './experiment.js';
import { importanceCommand } from './importance.js';
import { ingestCommand } from './ingest.js';
import { inspectCommand } from './inspect.js';
import { type CommonOptions, EXIT, reportError } from './output.js';
import { predictCommand } from './predict.js';
import { simulateCommand } from './simulate.js';
import { trainCommand } from './train.js';

const EPILOGUE = `
Exit codes: 0 success, 1 failure, 2 wrong usage or bad input, 130 interrupted.`;

const COMMANDS = [
  ingestCommand,
  trainCommand,
  evaluateCommand,
  compareCommand,
  predictCommand,
  simulateCommand,
  abCommand,
  importanceCommand,
  experimentCommand,
  inspectCommand,
  doctorCommand,
  benchCommand,
];

/** To a command, or to each of its subcommands. */
function withCommonOptions(command: Command): Command {
  if (command.commands.length === 0) {
    command
      .option('--json', 'print one JSON object on stdout')
      .option('--verbose', 'show the stack of an unexpected error');
  }
  for (const subcommand of command.commands) withCommonOptions(subcommand);
  return command.addHelpText('after', EPILOGUE).exitOverride();
}

function createProgram(): Command {
  const program = new Command('prerank')
    .description('Trains and evaluates early-stage (pre-ranking) ads models.')
    .version(version)
    .addHelpText('after', EPILOGUE);
  for (const command of COMMANDS) {
    program.addCommand(withCommonOptions(command()));
  }
  return program.exitOverride();
}

function isHelp(error: CommanderError): boolean {
  return error.exitCode === 0;
}

async function main(args: readonly string[]): Promise<number> {
  const options: CommonOptions = { json: args.includes('--json'), verbose: args.includes('--verbose') };
  try {
    await createProgram().parseAsync(args, { from: 'user' });
    return typeof process.exitCode === 'number' ? process.exitCode : EXIT.success;
  } catch (error) {
    if (error instanceof CommanderError) {
      return isHelp(error) ? EXIT.success : EXIT.usage;
    }
    return reportError(error, options);
  }
}

process.exitCode = await main(process.argv.slice(2));
